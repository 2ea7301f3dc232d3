// What waits for one session's sink, in order, and how many chunks stand between the engine and the sink. Not
// thread-safe.
//
// Bounded: at most kMaxChunksInDelivery chunks (the record starts no more), at most kMaxPendingChanges changes per
// chunk, and state changes that follow each other are merged.
#ifndef VIDEODIFFCR_SCHEDULER_SESSION_OUTBOX_H_
#define VIDEODIFFCR_SCHEDULER_SESSION_OUTBOX_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/api/step_plan.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

// A denoised chunk on its way to the sink.
struct FinishedChunk {
  GeneratedChunk chunk;  // without frames; decode time and deadline are set when it is decoded
  int frame_count = 0;
  absl::Duration presentation_start;
  absl::Duration presentation_duration;
  absl::Time first_step_began;
  absl::Time denoised;  // the engine was done; later by what its decode then waited for the last pass
  std::unique_ptr<LatentChunk> latents;
  bool rebuilt = false;  // of a chunk that the viewer has: to be decoded for what the decoder remembers of it
};

struct UpdateApplied {
  int64_t update_id = 0;
  int64_t first_chunk = 0;
};

struct BudgetChanged {
  int64_t first_chunk = 0;
  RetentionTenths target = kDenseTenths;
  bool by_server = false;
  const char* reason = "asked for by the client";
};

struct StateChanged {
  SessionState state = SessionState::kGenerating;
  std::string reason;
};

struct SessionEnded {
  absl::Status status;
  SessionTotals totals;
};

using SinkEvent = std::variant<FinishedChunk, UpdateApplied, BudgetChanged, StateChanged, SessionEnded>;

class SessionOutbox {
 public:
  bool empty() const { return events_.empty(); }
  int chunks_in_delivery() const { return chunks_in_delivery_; }  // not yet taken by the sink
  int chunks_undecoded() const { return chunks_undecoded_; }      // of those, not yet frames

  void Push(SinkEvent event) {
    if (std::holds_alternative<FinishedChunk>(event)) {
      ++chunks_in_delivery_;
      ++chunks_undecoded_;
    }
    events_.push_back(std::move(event));
  }

  // Says so only if the client does not know it yet; a session that generates at once says nothing.
  void Announce(SessionState state, std::string reason) {
    if (state == announced_state_) return;
    announced_state_ = state;
    if (!events_.empty() && std::holds_alternative<StateChanged>(events_.back())) events_.pop_back();
    Push(StateChanged{state, std::move(reason)});
  }

  // Must not be empty. A chunk that is taken still counts as in delivery, until ChunkLeft().
  SinkEvent Take() {
    SinkEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  void ChunkDecoded() { --chunks_undecoded_; }
  void ChunkLeft() { --chunks_in_delivery_; }

  // Empties it, for a session that has failed: its chunks are given up, and nobody reads their counts any more.
  std::deque<SinkEvent> Drop() { return std::exchange(events_, {}); }

 private:
  std::deque<SinkEvent> events_;
  int chunks_in_delivery_ = 0;
  int chunks_undecoded_ = 0;
  SessionState announced_state_ = SessionState::kGenerating;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SESSION_OUTBOX_H_
