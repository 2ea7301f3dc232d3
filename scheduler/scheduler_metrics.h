// The Prometheus families that the scheduler feeds (docs/metrics.md says which question each answers). Created at 0, so
// that a scrape before the first session shows them all. Any thread: prometheus-cpp's instruments synchronise
// themselves.
#ifndef VIDEODIFFCR_SCHEDULER_SCHEDULER_METRICS_H_
#define VIDEODIFFCR_SCHEDULER_SCHEDULER_METRICS_H_

#include <array>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

enum class SessionOutcome { kLengthReached, kFinishRequested, kCancelled, kAborted, kFailed };
enum class MissCause { kQueue, kCompute, kDelivery };      // where the largest share of a late chunk's time went
enum class QueueStage { kAdmission, kEngine, kDelivery };  // where a session or chunk waits
enum class RejectionReason { kMemory, kSessions, kAllocation, kDraining, kSlack };
enum class CancelOrigin { kClient, kServer };
// Asked for; lowered for want of memory and raised again; the same for want of time.
enum class BudgetOrigin { kClient, kMemory, kLoad };

inline constexpr int kPriorityClasses = 2;
inline constexpr int kLiveSessionStates = 5;  // SessionState without kEnded
inline constexpr int kBatchSizes = 5;         // label batch: 1, 2, 3-4, 5-8, 9+

struct SchedulerMetrics {
  // Registers every family with constant label model=`model_name`. `registry` outlives this.
  SchedulerMetrics(prometheus::Registry* registry, const std::string& model_name);
  SchedulerMetrics(const SchedulerMetrics&) = delete;
  SchedulerMetrics& operator=(const SchedulerMetrics&) = delete;

  // Instruments with the label priority=standard|batch. Pointers into the registry.
  struct ForPriority {
    std::array<prometheus::Gauge*, kLiveSessionStates> sessions;      // by SessionState
    std::array<prometheus::Counter*, 5> sessions_total;               // by SessionOutcome
    prometheus::Histogram* session_duration_seconds;                  // Submit() to end
    prometheus::Histogram* time_to_first_chunk_seconds;               // Submit() to the sink having taken chunk 0
    prometheus::Histogram* chunk_latency_seconds;                     // could be worked on, to the sink having taken it
    prometheus::Histogram* inter_chunk_interval_seconds;              // between two chunks taken by one sink
    prometheus::Histogram* chunk_jitter_seconds;                      // change from one such interval to the next
    prometheus::Histogram* chunk_slack_seconds;                       // deadline minus the moment the sink had it
    std::array<prometheus::Counter*, 3> chunk_deadline_misses_total;  // by MissCause
    prometheus::Counter* chunks_total;
    prometheus::Counter* frames_total;
    prometheus::Counter* content_seconds_total;                // playing time delivered
    std::array<prometheus::Histogram*, 3> queue_time_seconds;  // by QueueStage
    prometheus::Histogram* retention_ratio_nominal;            // per chunk
    prometheus::Histogram* retention_ratio_executed;
    std::array<prometheus::Counter*, 3> retention_lowered_total;  // by BudgetOrigin
    std::array<prometheus::Counter*, 3> retention_raised_total;
    prometheus::Counter* flow_control_blocked_seconds_total;         // out of credits, or the transport took no more
    std::array<prometheus::Counter*, 5> admission_rejections_total;  // by RejectionReason
    std::array<prometheus::Histogram*, 2> cancel_latency_seconds;    // by CancelOrigin; Cancel() to KV cache free
  };
  std::array<ForPriority, kPriorityClasses> by_priority;
  ForPriority& of(PriorityClass priority) { return by_priority[static_cast<int>(priority)]; }

  std::array<prometheus::Histogram*, kBatchSizes> denoise_step_seconds;  // index from BatchIndex()
  prometheus::Histogram* batch_sessions;                                 // sessions per plan
  prometheus::Histogram* text_encode_seconds;
  prometheus::Histogram* context_pass_seconds;
  prometheus::Histogram* decode_seconds;
  prometheus::Gauge* kv_cache_bytes_running;  // held by sessions that generate
  prometheus::Gauge* kv_cache_bytes_idle;     // held by sessions that are paused or blocked
  prometheus::Gauge* kv_cache_capacity_bytes;
  prometheus::Counter* kv_tokens_evicted_total;
  prometheus::Gauge* degradation_level;  // Degradation

  // Index into denoise_step_seconds for a plan of `sessions` sessions (at least 1).
  static int BatchIndex(int sessions);
};

// How a session that ended with `status` and `reason` (SessionTotals::reason) is counted.
SessionOutcome OutcomeOf(const absl::Status& status, std::string_view reason);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SCHEDULER_METRICS_H_
