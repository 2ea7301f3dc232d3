#include "client/generation_record.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/proto_duration.h"

namespace videodiffcr {

void GenerationRecord::AddChunk(const v1::VideoChunk& chunk, absl::Time arrival) {
  if (!first_arrival_.has_value()) {
    first_arrival_ = arrival;
    prompts_.push_back({0, options_.prompt});
  }
  const auto change = options_.changes.find(chunk.sequence());
  if (change != options_.changes.end() && change->second.prompt.has_value()) {
    prompts_.push_back({ToSeconds(chunk.presentation_start()), *change->second.prompt});
  }
  last_arrival_ = arrival;
  ++chunks_;
  frames_ += chunk.frame_count();
  content_seconds_ += ToSeconds(chunk.presentation_duration());
  nominal_sum_ += chunk.retention().nominal();
  executed_sum_ += chunk.retention().executed();
  cache_sum_ += chunk.retention().executed_cache();
  last_retention_ = chunk.retention();
  last_slack_seconds_.reset();
  if (chunk.has_slack()) {
    last_slack_seconds_ = ToSeconds(chunk.slack());
    late_chunks_ += *last_slack_seconds_ < 0 ? 1 : 0;
  }
}

double GenerationRecord::FramesPerSecond() const {
  return static_cast<double>(frames_) / std::max(absl::ToDoubleSeconds(last_arrival_ - start_), 1e-6);
}

ProgressFigures GenerationRecord::Progress() const {
  ProgressFigures figures;
  figures.chunks = chunks_;
  figures.length_chunks = options_.chunks;
  figures.frames = frames_;
  figures.frames_per_second = FramesPerSecond();
  figures.slack_seconds = last_slack_seconds_;
  figures.nominal_retention = last_retention_.nominal();
  figures.executed_retention = last_retention_.executed();
  return figures;
}

std::vector<std::string> GenerationRecord::PromptLines() const {
  std::vector<std::string> lines;
  for (const PromptStart& start : prompts_) lines.push_back(absl::StrFormat("%.2f s: %s", start.seconds, start.prompt));
  return lines;
}

std::string GenerationRecord::Summary() const {
  const v1::SessionStarted started = started_.value_or(v1::SessionStarted());
  const double rate = started.frames_per_second();
  std::string text =
      absl::StrFormat("%d chunks, %d frames, %.2f s of video, %dx%d at %d fps, seed %d\n", chunks_, frames_,
                      content_seconds_, started.width(), started.height(), started.frames_per_second(), started.seed());
  if (first_frames_arrival_.has_value()) {
    absl::StrAppendFormat(&text, "  time to first frames %.3f s\n",
                          absl::ToDoubleSeconds(*first_frames_arrival_ - start_));
  }
  absl::StrAppendFormat(&text, "  time to first chunk  %.3f s\n", absl::ToDoubleSeconds(*first_arrival_ - start_));
  absl::StrAppendFormat(&text, "  frames per second    %.1f", FramesPerSecond());
  if (rate > 0) absl::StrAppendFormat(&text, " (%.1f times playing speed)", FramesPerSecond() / rate);
  const auto chunks = static_cast<double>(chunks_);
  absl::StrAppendFormat(&text, "\n  retention            nominal %.3f, executed %.3f\n", nominal_sum_ / chunks,
                        executed_sum_ / chunks);
  const bool cache_was_pruned = cache_sum_ > 0 && cache_sum_ < chunks;
  if (cache_was_pruned) absl::StrAppendFormat(&text, "  cache                %.3f of it seen\n", cache_sum_ / chunks);
  if (options_.playout_seconds.has_value()) {
    absl::StrAppendFormat(&text, "  late chunks          %d of %d\n", late_chunks_, chunks_);
  }
  return text;
}

}  // namespace videodiffcr
