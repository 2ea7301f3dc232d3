// What one session adds to the metrics, and its totals. Kept apart from session_record.h so that the rules of
// scheduling read without the counting. Not thread-safe: under SchedulerState::mutex.
#ifndef VIDEODIFFCR_SCHEDULER_SESSION_METER_H_
#define VIDEODIFFCR_SCHEDULER_SESSION_METER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "model/api/step_plan.h"
#include "scheduler/scheduler_metrics.h"
#include "scheduler/session_outbox.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

// Where most of the time of a late chunk went: waiting for the engine, in the model, or between the last pass and the
// sink having taken it (decoding not counted). The largest share, the first of these if equal.
MissCause CauseOfMiss(const ChunkTimings& timings, absl::Duration denoised_to_delivered);

class SessionMeter {
 public:
  // `metrics` outlives this. Counts the session as waiting.
  SessionMeter(SchedulerMetrics* metrics, PriorityClass priority, int64_t kv_cache_bytes, absl::Time submitted);
  ~SessionMeter();
  SessionMeter(const SessionMeter&) = delete;
  SessionMeter& operator=(const SessionMeter&) = delete;

  const SessionTotals& totals() const { return totals_; }

  // `holds_memory`: the session's KV cache counts as held.
  void StateChanged(SessionState from, SessionState to, bool holds_memory, absl::Time now);
  void Admitted(absl::Time now);
  void Rejected(RejectionReason reason);  // after admission: the memory was not to be had
  void TargetChanged(RetentionTenths from, RetentionTenths to, BudgetOrigin origin);
  // `timings.queue` and the retention of a chunk whose last pass has run.
  void ChunkMade(const FinishedChunk& chunk);
  void StepRan(const PlannedStep& step, const StepOutcome& outcome, int sessions_in_plan);
  // A delivery thread took the chunk up at `began` and has decoded it.
  void Decoded(const FinishedChunk& chunk);
  // The sink has taken it.
  void Delivered(const FinishedChunk& chunk, absl::Time now);
  // `cancelled_at`: when somebody cancelled it, if so. Call when its KV cache is free.
  void Ended(const absl::Status& status, std::string_view reason, std::optional<absl::Time> cancelled_at,
             absl::Time now);

 private:
  void HoldKvGauge(prometheus::Gauge* gauge);

  SchedulerMetrics* const metrics_;
  SchedulerMetrics::ForPriority& of_class_;
  const int64_t kv_cache_bytes_;
  const absl::Time submitted_;
  SessionState state_ = SessionState::kWaiting;
  absl::Time state_since_;
  prometheus::Gauge* kv_gauge_ = nullptr;  // the gauge that counts this session's KV cache
  SessionTotals totals_;
  double nominal_sum_ = 0;
  double executed_sum_ = 0;
  double cache_sum_ = 0;
  std::optional<absl::Time> last_delivery_;
  std::optional<absl::Duration> last_interval_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SESSION_METER_H_
