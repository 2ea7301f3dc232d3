// Everything about the scheduler that an operator can set. Behaviour first, then what trades throughput against
// latency.
#ifndef VIDEODIFFCR_SCHEDULER_SCHEDULER_CONFIG_H_
#define VIDEODIFFCR_SCHEDULER_SCHEDULER_CONFIG_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace videodiffcr {

// Who takes the next step. The last two are for comparison in the bench.
enum class SchedulingPolicy {
  kEarliestDeadlineFirst,
  kFirstInFirstOut,  // the chunk that could be worked on first
  kRoundRobin,       // the session whose last step is longest ago
};

// "edf", "fifo" or "round_robin"; InvalidArgument for anything else.
absl::StatusOr<SchedulingPolicy> ParseSchedulingPolicy(std::string_view name);
std::string_view SchedulingPolicyName(SchedulingPolicy policy);

struct SchedulerConfig {
  // --- behaviour ---

  // Sessions that may hold model memory at once; at least 1. Memory may allow fewer.
  int max_sessions = 32;

  // Sessions that may wait for memory or for time of the engine; 0: one that would is refused at once.
  int max_waiting_sessions = 64;

  // Model memory for all sessions together, in bytes, where the model lives in the host's memory; one on a GPU has its
  // own limit (ModelInfo::session_capacity). Each session takes ModelInfo::session_bytes from admission to its end.
  int64_t memory_budget_bytes = int64_t{2} << 30;

  // A session that its own client holds back (paused, out of credits, or a viewer who does not read) for so long is
  // told that it is waited for. 0: never. After `idle_grace` more it ends with IdleError() and gives its memory to
  // others.
  absl::Duration idle_timeout = absl::Seconds(60);
  absl::Duration idle_grace = absl::Seconds(30);

  // A session that has been there for so long ends after its chunk in progress with LifetimeError(). 0: never.
  absl::Duration session_lifetime = absl::Hours(1);

  SchedulingPolicy policy = SchedulingPolicy::kEarliestDeadlineFirst;

  // Earliest deadline first needs a due time for every chunk. One without a playout deadline is due this long after it
  // could first be worked on; the longer, the more it gives way. The due time stands still while it waits, so its turn
  // comes.
  absl::Duration first_chunk_due = absl::Milliseconds(100);  // first chunk of a standard session: somebody is waiting
  absl::Duration standard_chunk_due = absl::Seconds(2);      // later chunks of a standard session without playout
  absl::Duration batch_chunk_due = absl::Seconds(10);        // every chunk of a batch session without playout

  // Lateness beyond this gains a chunk nothing: under overload, chunks that are later than this go by who waits
  // longest. Without the cap, sessions that fall ever further behind would starve those whose due time is younger.
  absl::Duration max_counted_lateness = absl::Seconds(1);

  // Where budgets at their floors are not enough, a chunk that would be late whatever is done waits for those that can
  // still be in time, until it is so late: else all would be late, each a little. After that it goes by its due time.
  absl::Duration late_chunk_due = absl::Seconds(10);

  // Lowers and raises budgets between each session's floor and target, so that chunks are in time; then lets run-ahead,
  // late chunks and batch sessions give way (budget_controller.h). Off: every chunk is made at its session's target.
  bool budget_controller = true;

  // A session with playout gets a place only if the engine can serve it, and all that have one, at their floors.
  bool slack_admission = true;

  // --- performance ---

  // Sessions in one plan. 0: what the model says is worth it on this device; a larger number than that is cut to it. A
  // smaller one shortens the time to the next decision (cancel, new session) and costs throughput where the model packs
  // rows.
  int max_sessions_per_plan = 0;

  // How far the engine's thread stands back, in nice levels, 0 to 19, while passes run on it: for a model on the
  // processors, so that threads which answer and send get one soon; those that decode and encode stand back half as
  // far. 0 for a model on a GPU, which it keeps busy.
  int engine_niceness = 7;

  // Threads that decode and hand chunks to their sinks (so they encode, too); at least 1.
  int delivery_threads = 2;

  // --- tests ---

  // Checks invariants.h after every step and ends the process when one is broken.
#ifdef NDEBUG
  bool check_invariants = false;
#else
  bool check_invariants = true;
#endif

  // InvalidArgument naming the first field that is out of range.
  absl::Status Validate() const;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SCHEDULER_CONFIG_H_
