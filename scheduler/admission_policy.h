// Who may hold model memory: pure functions from a snapshot to a decision.
#ifndef VIDEODIFFCR_SCHEDULER_ADMISSION_POLICY_H_
#define VIDEODIFFCR_SCHEDULER_ADMISSION_POLICY_H_

#include <optional>

#include "absl/time/time.h"
#include "model/api/step_plan.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/snapshot.h"

namespace videodiffcr {

enum class AdmissionVerdict {
  kAdmit,   // takes its memory now
  kWait,    // joins the queue
  kRefuse,  // the queue is full, too, or the server is draining
};

enum class AdmissionObstacle { kNone, kMemory, kSessions, kDraining };

struct AdmissionDecision {
  AdmissionVerdict verdict = AdmissionVerdict::kAdmit;
  AdmissionObstacle obstacle = AdmissionObstacle::kNone;  // what kept it from being admitted
  absl::Duration retry_after;                             // kRefuse for want of room: PredictWait()
};

// For a session that arrives now. Nobody passes those who already wait.
AdmissionDecision DecideAdmission(const Snapshot& snapshot);

// The waiting session that takes the room there is: standard before batch, then by arrival; a batch session that has
// waited for config.batch_chunk_due counts as standard. nullopt when there is no room, nobody waits, or the server is
// draining; one that was cancelled does not wait any more.
std::optional<SessionId> NextToAdmit(const Snapshot& snapshot, const SchedulerConfig& config);

// When a session arriving now could expect room, from the chunks that running sessions have left and the measured
// period, behind all who wait; between 1 s and 1 min, and 10 s where nothing is known (no chunk yet, or sessions
// without a length).
absl::Duration PredictWait(const Snapshot& snapshot);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_ADMISSION_POLICY_H_
