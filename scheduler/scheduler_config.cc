#include "scheduler/scheduler_config.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "system/thread_niceness.h"

namespace videodiffcr {
namespace {

constexpr int kMostSessions = 100'000;
constexpr int kMostDeliveryThreads = 256;

absl::Status CheckRange(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, "; it must be ", least, " to ", most));
}

absl::Status CheckDuration(const char* field, absl::Duration value) {
  if (value >= absl::ZeroDuration() && value <= absl::Hours(1)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", absl::FormatDuration(value), "; it must be 0 to 1h"));
}

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
  for (const absl::Status& status : {
           CheckRange("max_sessions", max_sessions, 1, kMostSessions),
           CheckRange("max_waiting_sessions", max_waiting_sessions, 0, kMostSessions),
           CheckRange("memory_budget_bytes", memory_budget_bytes, 1, std::numeric_limits<int64_t>::max()),
           CheckRange("max_sessions_per_plan", max_sessions_per_plan, 0, kMostSessions),
           CheckRange("engine_niceness", engine_niceness, 0, kMostNiceness),
           CheckRange("delivery_threads", delivery_threads, 1, kMostDeliveryThreads),
           CheckDuration("first_chunk_due", first_chunk_due),
           CheckDuration("standard_chunk_due", standard_chunk_due),
           CheckDuration("batch_chunk_due", batch_chunk_due),
           CheckDuration("max_counted_lateness", max_counted_lateness),
           CheckDuration("late_chunk_due", late_chunk_due),
           CheckDuration("idle_timeout", idle_timeout),
           CheckDuration("idle_grace", idle_grace),
           session_lifetime >= absl::ZeroDuration()
               ? absl::OkStatus()
               : absl::InvalidArgumentError("session_lifetime is below 0; it must be at least 0, which means never"),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
