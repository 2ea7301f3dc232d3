// What the scheduler's threads share: the sessions, the memory they hold, and the one mutex that guards both.
#ifndef VIDEODIFFCR_SCHEDULER_SCHEDULER_STATE_H_
#define VIDEODIFFCR_SCHEDULER_SCHEDULER_STATE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/api/video_model.h"
#include "scheduler/bounded_queue.h"
#include "scheduler/budget_controller.h"
#include "scheduler/pass_times.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/scheduler_metrics.h"
#include "scheduler/session_record.h"
#include "scheduler/snapshot.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Lock order: `mutex`, then the queue's own. Nobody calls the model or a sink while holding either.
struct SchedulerState {
  SchedulerState(const SchedulerConfig& config, VideoModel* model, Clock* clock, SchedulerMetrics* metrics);

  // Constant after construction; synchronise themselves.
  const SchedulerConfig config;
  VideoModel* const model;
  Clock* const clock;
  SchedulerMetrics* const metrics;
  const int max_sessions_per_plan;
  const size_t max_records;  // sessions in `sessions`, those included whose sink has yet to hear of their end

  // Sessions with something for their sink, each at most once (SessionRecord::in_delivery_queue), so it cannot
  // overflow.
  BoundedQueue<SessionId> deliveries;

  Mutex mutex;
  CondVar engine_wake;   // something changed that the engine may have to act on
  CondVar session_gone;  // a session has left `sessions`

  // By id, which is by arrival. A record leaves after its sink has heard OnEnded().
  std::map<SessionId, std::unique_ptr<SessionRecord>> sessions ABSL_GUARDED_BY(mutex);
  SessionId next_id ABSL_GUARDED_BY(mutex) = 1;
  int64_t memory_reserved_bytes ABSL_GUARDED_BY(mutex) = 0;
  int64_t plans_begun ABSL_GUARDED_BY(mutex) = 0;
  PassTimes pass_times ABSL_GUARDED_BY(mutex);
  Degradation degradation ABSL_GUARDED_BY(mutex) = Degradation::kNone;
  absl::Time degradation_since ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
  absl::Status model_health ABSL_GUARDED_BY(mutex);  // not OK: the model is lost
  bool draining ABSL_GUARDED_BY(mutex) = false;
  bool stopping ABSL_GUARDED_BY(mutex) = false;

  Snapshot TakeSnapshot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Null when there is no such session.
  SessionRecord* Find(SessionId session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Hands the session to the delivery threads if it has something for its sink.
  void Dispatch(SessionRecord* session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Reserves memory for the session; the engine begins it.
  void Admit(SessionRecord* session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool AnyWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Takes in waiting sessions while there is room.
  void AdmitWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // `health`: what the model said after a call of it had failed. When it is lost, every session ends with that and
  // nobody is admitted any more.
  void NoteHealth(const absl::Status& health) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Chooses the budgets of the chunks that are about to start, and lets more or less give way. By session; `snapshot`
  // shows the choices.
  std::map<SessionId, BudgetChoice> ChooseBudgets(Snapshot* snapshot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // `status`, and when it is ResourceExhausted with the wait after which there may be room.
  absl::Status WithPredictedWait(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  void NoteChunkTime(absl::Duration first_pass_to_frames) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Mean of the latest chunks.
  std::optional<absl::Duration> ChunkPeriod() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

 private:
  std::deque<absl::Duration> latest_chunk_times_ ABSL_GUARDED_BY(mutex);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SCHEDULER_STATE_H_
