// The line that tells how a generation is going.
#ifndef VIDEODIFFCR_CLIENT_PROGRESS_LINE_H_
#define VIDEODIFFCR_CLIENT_PROGRESS_LINE_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace videodiffcr {

struct ProgressFigures {
  int64_t chunks = 0;         // received
  int64_t length_chunks = 0;  // 0: no end
  int64_t frames = 0;         // received
  double frames_per_second = 0;
  std::optional<double> slack_seconds;  // playing time left when the latest chunk left the server; negative when late
  double nominal_retention = 1;         // of the latest chunk
  double executed_retention = 1;
};

std::string FormatProgress(const ProgressFigures& figures);

// Where a generation tells how it is going.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;

  virtual void Show(std::string_view text, absl::Time now) = 0;
  // A line of its own that stays. Its words may be a server's: what would steer a terminal is written out.
  virtual void Note(std::string_view text) = 0;
  // Leaves the latest progress standing.
  virtual void End() = 0;
};

// On a terminal one line, written over and over; elsewhere a line a second, so that a log stays short.
class ProgressLine final : public ProgressSink {
 public:
  // `out` outlives this object.
  ProgressLine(std::ostream* out, bool terminal) : out_(*out), terminal_(terminal) {}

  void Show(std::string_view text, absl::Time now) override;
  void Note(std::string_view text) override;
  void End() override;  // what is written next begins a new line

 private:
  std::ostream& out_;
  const bool terminal_;
  std::string pending_;  // shown on no line yet (not a terminal), or on the line that will be overwritten (terminal)
  absl::Time last_shown_ = absl::InfinitePast();
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_PROGRESS_LINE_H_
