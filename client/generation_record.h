// What came of one generation, gathered from its events.
#ifndef VIDEODIFFCR_CLIENT_GENERATION_RECORD_H_
#define VIDEODIFFCR_CLIENT_GENERATION_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/generate_options.h"
#include "client/progress_line.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class GenerationRecord {
 public:
  // `options` outlive the record; `start` is when the call was sent.
  GenerationRecord(const GenerateOptions& options, absl::Time start) : options_(options), start_(start) {}

  void AddStarted(const v1::SessionStarted& started) { started_ = started; }
  // Some of the first chunk have arrived ahead of it.
  void AddFirstFrames(absl::Time arrival) { first_frames_arrival_ = arrival; }
  void AddChunk(const v1::VideoChunk& chunk, absl::Time arrival);

  int64_t chunks() const { return chunks_; }
  const std::optional<v1::SessionStarted>& started() const { return started_; }

  // As of the latest chunk.
  ProgressFigures Progress() const;

  // One line per prompt with the time of its first frame: captions of the contact sheet.
  std::vector<std::string> PromptLines() const;

  // The closing figures, several lines. At least one chunk has arrived.
  std::string Summary() const;

 private:
  double FramesPerSecond() const;

  struct PromptStart {
    double seconds;
    std::string prompt;
  };

  const GenerateOptions& options_;
  const absl::Time start_;
  std::optional<v1::SessionStarted> started_;
  std::optional<absl::Time> first_frames_arrival_;
  std::optional<absl::Time> first_arrival_;
  absl::Time last_arrival_;
  int64_t chunks_ = 0;
  int64_t frames_ = 0;
  int64_t late_chunks_ = 0;
  double content_seconds_ = 0;
  double nominal_sum_ = 0;   // of retention, over chunks
  double executed_sum_ = 0;  // of retention, over chunks
  double cache_sum_ = 0;     // of executed_cache, over chunks; 0: the server does not say
  v1::RetentionUsed last_retention_;
  std::optional<double> last_slack_seconds_;
  std::vector<PromptStart> prompts_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_GENERATION_RECORD_H_
