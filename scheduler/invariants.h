// What must hold in any snapshot and for any plan made from it. Checked after every step in debug builds and in tests.
#ifndef VIDEODIFFCR_SCHEDULER_INVARIANTS_H_
#define VIDEODIFFCR_SCHEDULER_INVARIANTS_H_

#include <string>
#include <vector>

#include "model/api/step_plan.h"
#include "scheduler/snapshot.h"

namespace videodiffcr {

// Every violation, one sentence each; empty when all is well.
std::vector<std::string> FindViolations(const Snapshot& snapshot);
std::vector<std::string> FindViolations(const Snapshot& snapshot, const StepPlan& plan);

// Ends the process, with the violations on stderr, unless there are none: a scheduler that has lost count of its memory
// or its sessions would spoil other people's streams, and a restart is cheap.
void DieOnViolations(const std::vector<std::string>& violations);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_INVARIANTS_H_
