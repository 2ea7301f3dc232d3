// Who takes the next step: a pure function from a snapshot to a plan. No state, no clock, no locks.
#ifndef VIDEODIFFCR_SCHEDULER_STEP_POLICY_H_
#define VIDEODIFFCR_SCHEDULER_STEP_POLICY_H_

#include "absl/time/time.h"
#include "model/api/step_plan.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/snapshot.h"

namespace videodiffcr {

// The next steps of the sessions that come first under config.policy, at most snapshot.max_sessions_per_plan of them,
// first come first. Empty exactly when no session has a next step: if anybody is ready, the engine does not idle.
//
// Under earliest deadline first a plan that begins with somebody who is waited for (a deadline, or a first chunk) holds
// only such, unless sharing is free: a session that runs flat out would double the time of a chunk that is to be
// played. It runs when they have run ahead, or when its own due time comes first.
StepPlan PlanSteps(const Snapshot& snapshot, const SchedulerConfig& config);

// Under load (Degradation::kRunAhead) a session that is further ahead of its playout than this starts no chunk while
// others are ready.
inline constexpr int kRunAheadUnderLoad = 2;  // chunks

// Whether `session` is passed over while anybody else is ready (Snapshot::degradation). Under load so is a chunk that
// has not begun and would be late whatever is done, for config.late_chunk_due at most: earliest deadline first alone
// serves the latest first, and so makes all late by what one of them could have borne. A batch session is for
// config.batch_chunk_due at most: so a chunk of it that is ready is begun no later than that, max_counted_lateness, and
// one chunk of every other session after it could first be worked on.
bool GivesWay(const SessionView& session, const Snapshot& snapshot, const SchedulerConfig& config);

// When the chunk that `session` works on is due under earliest deadline first: its playout deadline, or work_began plus
// the due time of its class (SchedulerConfig); never more than max_counted_lateness ago. `session` must have a next
// step.
//
// Why nobody starves: a due time without playout stands still while the session waits, and after max_counted_lateness
// past it the session ties with everybody who is at least as late; ties go by work_began, which also stands still.
absl::Time DueTime(const SessionView& session, absl::Time now, const SchedulerConfig& config);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_STEP_POLICY_H_
