// One session inside the scheduler: its life, what holds it back, and what waits for its sink. How far it is in its
// video is session_progress.h's.
//
// Not thread-safe: everything here happens under SchedulerState::mutex, except that the delivery thread that holds the
// session calls sink() without it. No method blocks or calls the model or the sink.
//
// A session's life: waiting, admitted (memory reserved), begun (the model knows it), then per chunk
//     boundary -> [text] -> denoising passes -> the chunk leaves -> [context pass] -> boundary
// Credits, transport, run-ahead limit and the delivery bound hold it at the boundary; pause holds it at any step.
// Changes take effect where a chunk starts, with its first planned step, and nowhere else.
#ifndef VIDEODIFFCR_SCHEDULER_SESSION_RECORD_H_
#define VIDEODIFFCR_SCHEDULER_SESSION_RECORD_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "model/api/step_plan.h"
#include "scheduler/budget_controller.h"
#include "scheduler/flow_control.h"
#include "scheduler/playout_clock.h"
#include "scheduler/session_meter.h"
#include "scheduler/session_outbox.h"
#include "scheduler/session_progress.h"
#include "scheduler/session_types.h"
#include "scheduler/snapshot.h"

namespace videodiffcr {

// Changes of one session that may wait for the same chunk boundary.
inline constexpr int kMaxPendingChanges = 64;

class SessionRecord {
 public:
  // `info` and `metrics` outlive the record.
  SessionRecord(SessionId id, SessionRequest request, std::unique_ptr<SessionSink> sink, const ModelInfo& info,
                SchedulerMetrics* metrics, absl::Time now);

  SessionId id() const { return id_; }
  uint64_t seed() const { return request_.seed; }
  SessionState state() const { return state_; }
  // The delivery thread that holds the session may use the sink without the lock.
  SessionSink* sink() { return sink_.get(); }
  void DestroySink() { sink_.reset(); }
  bool admitted() const { return admitted_; }
  bool begun() const { return begun_; }
  bool ending() const { return failure_.has_value(); }
  SessionView View(absl::Time now);
  // What is needed to go on elsewhere with chunk `next`, which is presented from `presentation_start` on.
  Outstanding OutstandingFrom(int64_t next, absl::Duration presentation_start, absl::Time now) const;
  bool keeps_latents() const { return request_.keep_latents; }

  // Joined the queue for memory.
  void Wait(absl::Time now) { Refresh(now); }

  // --- controls ---

  // FailedPrecondition when no chunk is left to change; ResourceExhausted when too many changes wait for the boundary.
  absl::Status Change(SessionChange change, absl::Time now);
  void AddCredits(int64_t chunks, int64_t bytes, absl::Time now);
  void Pause(absl::Time now);
  void Unpause(absl::Time now);
  void Finish(absl::Time now);
  void SetTransportRoom(int chunks, absl::Time now);
  // The viewer has taken a chunk. Whether it had been told that it is waited for, which is taken back.
  bool NoteReading(absl::Time now);
  void Drain(absl::Time now);
  // Ends it with `why`, not OK; the first reason stands. Cancel() counts in the cancellation metric, too.
  void Fail(absl::Status why, absl::Time now);
  void Cancel(absl::Status why, absl::Time now);

  // --- engine thread ---

  // Tells the client if it alone has held the session back for `timeout`: paused, without credits, or not reading. Ends
  // the session `grace` later; see SchedulerConfig::idle_timeout.
  void EndIfIdle(absl::Duration timeout, absl::Duration grace, absl::Time now);
  // Lets it go on if its sink has held it until now.
  void EndHold(absl::Time now);
  // Ends it after its chunk in progress if it is `lifetime` old; see SchedulerConfig::session_lifetime.
  void EndIfTooOld(absl::Duration lifetime, absl::Time now);
  void Admit(absl::Time now);      // memory is reserved
  void Begun() { begun_ = true; }  // the model knows it
  // For the chunk that View() showed to start next; before StepBegan().
  void TakeBudget(const BudgetChoice& choice);
  int64_t chunks_in_scene() const { return progress_.chunks_in_scene(); }
  // The step that View() showed is in plan number `plan`. Starts a chunk, with the changes that wait, if it is a
  // chunk's first.
  void StepBegan(const PlannedStep& step, int64_t plan, absl::Time now);
  void StepEnded(const PlannedStep& step, StepOutcome outcome, int sessions_in_plan, absl::Time now);
  void CountAllocationFailure() { meter_.Rejected(RejectionReason::kAllocation); }
  // Nothing is left to do for it, or it must end at once.
  bool ShouldEnd() const;
  // Takes back what has not reached the sink, if the session ends by failure. To be destroyed outside the lock: latents
  // may be large.
  std::deque<SinkEvent> DropOutbox();
  // The model has let go of it. SessionEnded becomes the last event.
  void End(absl::Time now);
  bool ended() const { return state_ == SessionState::kEnded; }

  // --- delivery threads ---

  // Whether the session sits in the queue of the delivery threads or in the hands of one.
  bool in_delivery_queue = false;
  bool HasEvents() const { return !outbox_.empty(); }
  SinkEvent TakeEvent() { return outbox_.Take(); }
  // The chunk is frames now, taken up at `began`; `waited_for_latents` of the time since belongs to its last pass. Sets
  // its decode time and deadline, adds to its denoising time; false when the session is failing: then the chunk is
  // given up and must not reach the sink.
  bool Decoded(FinishedChunk* chunk, absl::Time began, absl::Duration waited_for_latents, absl::Time now);
  // A rebuilt chunk went through the decoder.
  void Rebuilt(absl::Time now);
  // The sink took it as `encoded_bytes`, and says whether the next one is to wait.
  void Delivered(const FinishedChunk& chunk, int64_t encoded_bytes, const std::optional<ChunkHold>& hold,
                 absl::Time now);

 private:
  bool WantsAnotherChunk() const;
  RetentionTenths Floor() const { return request_.floor_follows_target ? progress_.wanted_target() : request_.floor; }
  bool StopRequested() const { return finish_requested_ || stopped_.has_value(); }
  bool MayStartChunk(absl::Time now);
  std::optional<PlannedStep> NextStep(absl::Time now);
  absl::Status EndStatus(std::string* reason) const;
  SessionState CurrentState() const;
  const char* StateReason() const;
  // After every change: readiness, state, and what the client is told about it.
  void Refresh(absl::Time now);
  // Memory was short for `step`: whether it may be tried again, which it may once per chunk, a denoising pass at the
  // next lower budget if the session has one.
  bool RetryOnce(const PlannedStep& step);
  void EnterState(SessionState state, absl::Time now);

  std::unique_ptr<SessionSink> sink_;

  // Constant after construction.
  const SessionId id_;
  const SessionRequest request_;
  const ModelInfo& info_;
  const absl::Time submitted_;

  // Where it stands.
  bool admitted_ = false;
  bool begun_ = false;
  std::optional<absl::Status> failure_;  // set: end at once with this
  std::optional<absl::Time> cancelled_at_;
  SessionProgress progress_;
  bool step_running_ = false;
  bool retried_ = false;  // a step of the chunk in progress or of the context pass before it
  int64_t last_plan_ = 0;
  int quiet_chunks_ = 0;  // ChooseBudget()'s
  SessionState state_ = SessionState::kWaiting;

  // What it is to do.
  bool finish_requested_ = false;
  std::optional<absl::Status> stopped_;  // set: the server ends it, with this, after the chunk in progress

  // What holds it back.
  FlowControl flow_;
  bool paused_ = false;
  std::optional<absl::Time> idle_since_;  // while its client alone holds it back
  bool waited_for_ = false;               // its idle time is over, and its client has been told so
  PlayoutClock playout_;

  SessionOutbox outbox_;
  SessionMeter meter_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SESSION_RECORD_H_
