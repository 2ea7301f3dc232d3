#include "scheduler/scheduler_config.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "system/range_check.h"
#include "system/thread_niceness.h"

namespace videodiffcr {
namespace {

constexpr int kMostSessions = 100'000;
constexpr int kMostDeliveryThreads = 256;

}  // namespace

absl::StatusOr<SchedulingPolicy> ParseSchedulingPolicy(std::string_view name) {
  for (SchedulingPolicy policy :
       {SchedulingPolicy::kEarliestDeadlineFirst, SchedulingPolicy::kFirstInFirstOut, SchedulingPolicy::kRoundRobin}) {
    if (name == SchedulingPolicyName(policy)) return policy;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("scheduling policy '", std::string(name), "' is unknown; it must be edf, fifo or round_robin"));
}

std::string_view SchedulingPolicyName(SchedulingPolicy policy) {
  switch (policy) {
    case SchedulingPolicy::kEarliestDeadlineFirst:
      return "edf";
    case SchedulingPolicy::kFirstInFirstOut:
      return "fifo";
    case SchedulingPolicy::kRoundRobin:
      return "round_robin";
  }
  return "unknown";
}

absl::Status SchedulerConfig::Validate() const {
  const absl::Duration none = absl::ZeroDuration();
  const absl::Duration hour = absl::Hours(1);
  for (const absl::Status& status : {
           CheckRange("max_sessions", max_sessions, 1, kMostSessions),
           CheckRange("max_waiting_sessions", max_waiting_sessions, 0, kMostSessions),
           CheckRange("memory_budget_bytes", memory_budget_bytes, 1, std::numeric_limits<int64_t>::max()),
           CheckRange("max_sessions_per_plan", max_sessions_per_plan, 0, kMostSessions),
           CheckRange("engine_niceness", engine_niceness, 0, kMostNiceness),
           CheckRange("delivery_threads", delivery_threads, 1, kMostDeliveryThreads),
           CheckRange("first_chunk_due", first_chunk_due, none, hour),
           CheckRange("standard_chunk_due", standard_chunk_due, none, hour),
           CheckRange("batch_chunk_due", batch_chunk_due, none, hour),
           CheckRange("max_counted_lateness", max_counted_lateness, none, hour),
           CheckRange("late_chunk_due", late_chunk_due, none, hour),
           CheckRange("idle_timeout", idle_timeout, none, hour),
           CheckRange("idle_grace", idle_grace, none, hour),
           session_lifetime >= absl::ZeroDuration()
               ? absl::OkStatus()
               : absl::InvalidArgumentError("session_lifetime is below 0; it must be at least 0, which means never"),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
