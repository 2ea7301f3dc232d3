// A viewer's clock: when each chunk would start to play, and how far ahead of it generation is. Not thread-safe.
#ifndef VIDEODIFFCR_SCHEDULER_PLAYOUT_CLOCK_H_
#define VIDEODIFFCR_SCHEDULER_PLAYOUT_CLOCK_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "absl/time/time.h"

namespace videodiffcr {

// The clock starts when the first chunk is delivered: chunk n is due at that moment + start buffer + its presentation
// start. It stands still while the client has paused, and starts anew with the next delivery after Restart().
class PlayoutClock {
 public:
  // `run_ahead_limit_chunks` 0: none.
  PlayoutClock(absl::Duration start_buffer, int64_t run_ahead_limit_chunks)
      : start_buffer_(start_buffer), run_ahead_limit_chunks_(run_ahead_limit_chunks) {}

  // When the chunk that is presented from `presentation_start` is due; unset before the clock has started.
  std::optional<absl::Time> DueAt(absl::Duration presentation_start) const {
    if (!origin_.has_value()) return std::nullopt;
    return *origin_ + presentation_start;
  }

  // The clock runs already: the chunk that is presented from `presentation_start` is due at `due`. Those before it were
  // made elsewhere, each of `chunk_duration`; what the viewer has not played of them is ahead of it here too.
  void Start(absl::Duration presentation_start, absl::Time due, absl::Duration chunk_duration, absl::Time now) {
    origin_ = due - presentation_start;
    for (absl::Duration start = presentation_start; start > absl::ZeroDuration();) {
      start = std::max(start - chunk_duration, absl::ZeroDuration());
      if (*origin_ + start <= now || static_cast<int64_t>(unplayed_.size()) >= run_ahead_limit_chunks_) return;
      unplayed_.push_front(start);
    }
  }

  // In a pause nothing plays, however often anybody asks.
  absl::Time ViewerTime(absl::Time now) const { return std::min(now, paused_at_.value_or(now)); }

  // A chunk was delivered at `now`; starts the clock unless it runs.
  void Delivered(absl::Duration presentation_start, absl::Time now) {
    if (!origin_.has_value()) origin_ = ViewerTime(now) + start_buffer_ - presentation_start;
  }

  // The viewer stands still from `now` on; a second pause changes nothing.
  void Pause(absl::Time now) {
    if (!paused_at_.has_value()) paused_at_ = now;
  }
  void Unpause(absl::Time now) {
    if (paused_at_.has_value() && origin_.has_value()) *origin_ += now - *paused_at_;
    paused_at_.reset();
  }

  // The viewer has played all there was and stands still, through no fault of ours: the next delivery starts the clock
  // again.
  void Restart() {
    origin_.reset();
    unplayed_.clear();
  }

  // A chunk is being made: it counts as ahead until it starts to play.
  void ChunkStarted(absl::Duration presentation_start, absl::Time now) {
    if (run_ahead_limit_chunks_ == 0) return;
    ForgetPlayed(now);
    unplayed_.push_back(presentation_start);
  }

  // When the next chunk may be started: nullopt now; infinite future when only a delivery or the end of a pause can
  // tell.
  std::optional<absl::Time> StartAllowedAt(absl::Time now) {
    if (run_ahead_limit_chunks_ == 0) return std::nullopt;
    ForgetPlayed(now);
    if (static_cast<int64_t>(unplayed_.size()) < run_ahead_limit_chunks_) return std::nullopt;
    if (!origin_.has_value() || paused_at_.has_value()) return absl::InfiniteFuture();
    return *origin_ + unplayed_.front();
  }

 private:
  void ForgetPlayed(absl::Time now) {
    const absl::Time viewer = ViewerTime(now);
    while (origin_.has_value() && !unplayed_.empty() && *origin_ + unplayed_.front() <= viewer) unplayed_.pop_front();
  }

  const absl::Duration start_buffer_;
  const int64_t run_ahead_limit_chunks_;
  std::optional<absl::Time> origin_;  // when presentation time 0 plays
  std::optional<absl::Time> paused_at_;
  std::deque<absl::Duration> unplayed_;  // presentation starts, at most run_ahead_limit_chunks_
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_PLAYOUT_CLOCK_H_
