#include "scheduler/admission_policy.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "scheduler/budget_controller.h"
#include "scheduler/memory_budget.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kShortestWait = absl::Seconds(1);
constexpr absl::Duration kLongestWait = absl::Minutes(1);
constexpr absl::Duration kUnknownWait = absl::Seconds(10);

AdmissionObstacle ObstacleFor(const Snapshot& snapshot) {
  if (!FitsOneMore(snapshot.memory_budget_bytes, snapshot.memory_reserved_bytes, snapshot.session_bytes)) {
    return AdmissionObstacle::kMemory;
  }
  if (snapshot.admitted_sessions() >= snapshot.max_sessions) return AdmissionObstacle::kSessions;
  return AdmissionObstacle::kNone;
}

}  // namespace

bool BreaksPromises(const Snapshot& snapshot, const PassTimes& times, RetentionTenths floor) {
  if (!snapshot.slack_admission) return false;
  // To those who play already. Where nobody does, a server that is too slow is as slow for this one as for the next.
  if (NeededShare(snapshot, times, std::nullopt).value_or(0) == 0) return false;
  if (snapshot.degradation >= Degradation::kRefuse) return true;
  return NeededShare(snapshot, times, floor).value_or(0) > kMaxNeededShare;
}

AdmissionDecision DecideAdmission(const Snapshot& snapshot, bool breaks_promises) {
  AdmissionDecision decision;
  if (snapshot.draining) {
    decision.verdict = AdmissionVerdict::kRefuse;
    decision.obstacle = AdmissionObstacle::kDraining;
    return decision;
  }
  decision.obstacle = ObstacleFor(snapshot);
  if (decision.obstacle == AdmissionObstacle::kNone && breaks_promises) decision.obstacle = AdmissionObstacle::kSlack;
  const int waiting = snapshot.waiting_sessions();
  if (decision.obstacle == AdmissionObstacle::kNone && waiting == 0) return decision;
  if (waiting < snapshot.max_waiting_sessions) {
    decision.verdict = AdmissionVerdict::kWait;
    return decision;
  }
  decision.verdict = AdmissionVerdict::kRefuse;
  // Room, but others wait for it: for a moment, until the engine has taken them in.
  if (decision.obstacle == AdmissionObstacle::kNone) decision.obstacle = AdmissionObstacle::kSessions;
  decision.retry_after = PredictWait(snapshot);
  return decision;
}

std::optional<SessionId> NextToAdmit(const Snapshot& snapshot, const SchedulerConfig& config, const PassTimes& times) {
  if (snapshot.draining || ObstacleFor(snapshot) != AdmissionObstacle::kNone) return std::nullopt;
  std::optional<std::tuple<bool, SessionId>> best;
  for (const SessionView& session : snapshot.sessions) {
    if (session.state != SessionState::kWaiting || session.ending) continue;
    if (session.has_playout && BreaksPromises(snapshot, times, session.floor)) continue;
    const bool gives_way =
        session.priority == PriorityClass::kBatch && snapshot.now - session.submitted < config.batch_chunk_due;
    const std::tuple<bool, SessionId> rank = {gives_way, session.id};
    if (!best.has_value() || rank < *best) best = rank;
  }
  if (!best.has_value()) return std::nullopt;
  return std::get<SessionId>(*best);
}

absl::Duration PredictWait(const Snapshot& snapshot) {
  std::vector<int64_t> chunks_left;
  for (const SessionView& session : snapshot.sessions) {
    if (session.admitted && session.chunks_left.has_value()) chunks_left.push_back(*session.chunks_left);
  }
  const size_t ahead = static_cast<size_t>(snapshot.waiting_sessions());
  if (!snapshot.chunk_period.has_value() || chunks_left.size() <= ahead) return kUnknownWait;
  std::nth_element(chunks_left.begin(), chunks_left.begin() + ahead, chunks_left.end());
  // The measured period is wall time among the sessions that ran, so it already holds their sharing of the engine.
  return std::clamp(*snapshot.chunk_period * chunks_left[ahead], kShortestWait, kLongestWait);
}

}  // namespace videodiffcr
