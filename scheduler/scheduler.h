// The thread-safe front of generation: sessions go in, chunks come out through their sinks.
//
// One engine thread owns the model: it turns a snapshot of all sessions into a StepPlan (step_policy.h), runs it, and
// looks at controls and cancellations between plans. Delivery threads decode finished chunks and hand them to the
// sinks, so a chunk leaves while its context pass runs. Every method may be called from any thread and returns at once
// unless it says otherwise.
//
// Bounds: at most `max_waiting_sessions` wait for admission (then Submit() answers ResourceExhausted at once); a
// session has at most two chunks between the engine and its sink (then the engine passes it over); who is slow costs
// only its own stream.
#ifndef VIDEODIFFCR_SCHEDULER_SCHEDULER_H_
#define VIDEODIFFCR_SCHEDULER_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/api/video_model.h"
#include "scheduler/retry_after.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/scheduler_metrics.h"
#include "scheduler/session_types.h"
#include "threading/clock.h"

namespace videodiffcr {

struct SchedulerLoad {
  int active_sessions = 0;
  int waiting_sessions = 0;
  std::optional<absl::Duration> measured_chunk_period;  // mean of the latest chunks, first pass to frames
};

class Scheduler {
 public:
  // `model`, `clock` and `metrics` outlive the scheduler. Starts the threads.
  static absl::StatusOr<std::unique_ptr<Scheduler>> Create(const SchedulerConfig& config, VideoModel* model,
                                                           Clock* clock, SchedulerMetrics* metrics);

  // Cancels what still runs and joins the threads.
  ~Scheduler();

  // Admits, queues or refuses. ResourceExhausted carries a "retry after" (RetryAfter() reads it); Unavailable while
  // draining. On any error the sink is destroyed without a call.
  absl::StatusOr<SessionId> Submit(SessionRequest request, std::unique_ptr<SessionSink> sink);

  // All: NotFound when the session has ended. Change(): FailedPrecondition when no chunk is left to change,
  // ResourceExhausted when too many changes wait for the same chunk, InvalidArgument for a budget without a table.
  absl::Status Change(SessionId session, SessionChange change);
  absl::Status AddCredits(SessionId session, int64_t chunks, int64_t bytes);
  absl::Status Pause(SessionId session);
  absl::Status Unpause(SessionId session);
  absl::Status Finish(SessionId session);  // ends after the chunk in progress

  // What is needed to go on elsewhere with chunk `next`, whose first frame is `next_frame`. Also of a session whose end
  // its sink is hearing of.
  absl::StatusOr<Outstanding> OutstandingFrom(SessionId session, int64_t next, int64_t next_frame) const;

  // The transport has room for so many chunks beside those that the sink has taken: no more are made, and none at all
  // at 0. From the sink's call when a chunk is what has filled it, so that no chunk is in neither count.
  void SetTransportRoom(SessionId session, int chunks);

  // The viewer of the session has taken a chunk: it is not idle (SchedulerConfig::idle_timeout).
  void NoteReading(SessionId session);

  // Ends the session with `why` (Cancelled, as a rule); its KV cache is free within two steps. Unknown ids are ignored.
  void Cancel(SessionId session, absl::Status why);

  // Stops admission at once, ends the sessions after their chunk in progress with Aborted, and waits until none is left
  // or `deadline` has passed (then they are cancelled).
  void Drain(absl::Time deadline);

  // A plan of one step took `elapsed` before there was a scheduler; so that the first sessions are judged by something.
  void NotePassTime(const PlannedStep& step, absl::Duration elapsed);

  SchedulerLoad load() const;

  // Not OK: the model is lost. All sessions have been ended with that, Submit() answers Unavailable; end the process.
  absl::Status model_health() const;

 private:
  class Engine;
  explicit Scheduler(std::unique_ptr<Engine> engine);
  const std::unique_ptr<Engine> engine_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SCHEDULER_H_
