// Who may hold model memory: pure functions from a snapshot to a decision.
#ifndef VIDEODIFFCR_SCHEDULER_ADMISSION_POLICY_H_
#define VIDEODIFFCR_SCHEDULER_ADMISSION_POLICY_H_

#include <optional>

#include "absl/time/time.h"
#include "model/api/step_plan.h"
#include "scheduler/pass_times.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/snapshot.h"

namespace videodiffcr {

enum class AdmissionVerdict {
  kAdmit,   // takes its memory now
  kWait,    // joins the queue
  kRefuse,  // the queue is full, too, or the server is draining
};

enum class AdmissionObstacle { kNone, kMemory, kSessions, kDraining, kSlack };

struct AdmissionDecision {
  AdmissionVerdict verdict = AdmissionVerdict::kAdmit;
  AdmissionObstacle obstacle = AdmissionObstacle::kNone;  // what kept it from being admitted
  absl::Duration retry_after;                             // kRefuse for want of room: PredictWait()
};

// Of the engine, what sessions with playout may need together: the rest is for first chunks, prompts and luck.
inline constexpr double kMaxNeededShare = 0.95;

// Whether one more session with playout would break a promise that was given: all of them at their floors, and this one
// at `floor`, need more of the engine than there is. False where nothing is known yet, or nobody plays.
bool BreaksPromises(const Snapshot& snapshot, const PassTimes& times, RetentionTenths floor);

// For a session that arrives now; `breaks_promises`: BreaksPromises(), if it has playout. Nobody passes those who
// already wait, if what they wait for is what it needs.
AdmissionDecision DecideAdmission(const Snapshot& snapshot, bool breaks_promises = false);

// The waiting session that takes the room there is: standard before batch, then by arrival; a batch session that has
// waited for config.batch_chunk_due counts as standard. nullopt when there is no room, nobody waits, or the server is
// draining; one that was cancelled does not wait any more.
// One that would break promises is passed over.
std::optional<SessionId> NextToAdmit(const Snapshot& snapshot, const SchedulerConfig& config, const PassTimes& times);

// When a session arriving now could expect room, from the chunks that running sessions have left and the measured
// period, behind all who wait; between 1 s and 1 min, and 10 s where nothing is known (no chunk yet, or sessions
// without a length).
absl::Duration PredictWait(const Snapshot& snapshot);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_ADMISSION_POLICY_H_
