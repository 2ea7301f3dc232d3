// Which budget a session's next chunk is made at, so that chunks are there when they are to be played: pure functions
// of a snapshot and of what passes take. No state, no clock, no locks.
//
// Note: [Demand]. A chunk that is due at D is there in time if all that the engine has to do before D fits between now
// and D: the rest of the chunk itself, and of every other session the chunks that are due no later. Earliest deadline
// first serves those first, and nothing else before it.
#ifndef VIDEODIFFCR_SCHEDULER_BUDGET_CONTROLLER_H_
#define VIDEODIFFCR_SCHEDULER_BUDGET_CONTROLLER_H_

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "scheduler/pass_times.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/snapshot.h"

namespace videodiffcr {

// Chunks in a row whose next higher budget would have been in time, before it is taken.
inline constexpr int kQuietChunksBeforeUp = 2;

// The first chunk is what a viewer judges by and waits for; it is not made below this, unless that was asked for.
inline constexpr RetentionTenths kLowestFirstChunkTenths = 9;

struct BudgetChoice {
  RetentionTenths budget = kDenseTenths;
  int quiet_chunks = 0;     // with this one
  const char* reason = "";  // why it is another than before, in words for the client; empty when it is not
};

// For the chunk that `session`, which is at a boundary, starts next: the largest budget that is in time. Lower at once,
// higher by one after kQuietChunksBeforeUp quiet chunks; never below its floor, never above its target. The target
// where nothing has a deadline or nothing is known yet.
BudgetChoice ChooseBudget(const SessionView& session, const Snapshot& snapshot, const PassTimes& times,
                          const std::vector<RetentionBudget>& budgets);

// Whether a chunk will be late whatever its session's budget is.
bool CannotMeetDeadlines(const Snapshot& snapshot, const PassTimes& times);

// Share of the engine that sessions with playout need, each at its floor; `more`: that of one more at that budget.
// nullopt when nothing is known yet.
std::optional<double> NeededShare(const Snapshot& snapshot, const PassTimes& times,
                                  std::optional<RetentionTenths> more);

// The step after `before`, which has held since `since`: up while deadlines cannot be met, one step a time with half a
// second between; down one step after two seconds in which they could.
Degradation NextDegradation(Degradation before, absl::Time since, bool any_lowered, bool cannot_meet_deadlines,
                            absl::Time now);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_BUDGET_CONTROLLER_H_
