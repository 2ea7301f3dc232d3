// Which budget a session's next chunk is made at, so that chunks are there when they are to be played: pure functions
// of a snapshot and of what passes take. No state, no clock, no locks.
//
// Note: [Demand]. A chunk that is due at D is there in time if all that the engine has to do before D fits between now
// and D: the rest of the chunk itself, and of every other session the chunks that are due no later. Earliest deadline
// first serves those first, and nothing else before it. (The demand bound of Baruah, Rosier and Howell, 1990.) A chunk
// made at a high budget takes its time from all that are due after it: so every deadline is asked, not only its own.
#ifndef VIDEODIFFCR_SCHEDULER_BUDGET_CONTROLLER_H_
#define VIDEODIFFCR_SCHEDULER_BUDGET_CONTROLLER_H_

#include <cstdint>
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

// The deadlines of a snapshot and what the engine has to do before each of them. Refers to `times`.
class Timetable {
 public:
  Timetable(const Snapshot& snapshot, const PassTimes& times);

  // Whether nobody is late if the chunk that `session` starts next is made at `budget`, all others going on at theirs,
  // and times may be wrong by `margin`. nullopt: nothing is known yet of what passes take.
  std::optional<bool> AllInTime(const SessionView& session, RetentionTenths budget, double margin) const;
  // The least time in which the chunk that `session` starts next can be there, made at `budget`. 0: nothing is known
  // yet.
  absl::Duration Needs(const SessionView& session, RetentionTenths budget) const;
  // Whether somebody is late even if all make what they start next at their lowest budget.
  bool SomebodyIsLate() const { return somebody_is_late_; }

 private:
  // What one session asks of the engine: the rest of its chunk, due at `deadline`, and then a chunk every `period`.
  struct Demand {
    SessionId id = 0;
    absl::Time deadline;
    absl::Duration period;
    absl::Duration rest, chunk;
    int64_t chunks_left = 0;

    absl::Duration Before(absl::Time time) const;
  };

  // With what it starts next made at `budget`; a chunk that has begun stays at its own.
  std::optional<Demand> DemandOf(const SessionView& session, RetentionTenths budget) const;
  std::optional<std::vector<Demand>> DemandsAt(const Snapshot& snapshot, bool lowest) const;

  const PassTimes& times_;
  const absl::Time now_;
  int batch_ = 1;
  bool known_ = true;
  bool somebody_is_late_ = false;
  std::vector<Demand> demands_;         // of those with a deadline, at the budget of each
  std::vector<absl::Duration> before_;  // all that is due up to the deadline of each
};

// For the chunk that `session`, which is at a boundary, starts next: the largest budget with which all are in time.
// Lower at once, higher by one after kQuietChunksBeforeUp quiet chunks; never below its floor, never above its target.
// The target where it has no deadline or nothing is known yet.
BudgetChoice ChooseBudget(const SessionView& session, const Timetable& timetable,
                          const std::vector<RetentionBudget>& budgets);

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
