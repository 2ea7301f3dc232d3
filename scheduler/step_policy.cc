#include "scheduler/step_policy.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace videodiffcr {
namespace {

// Sorts first what runs first. The id last: a plan never depends on the order of sessions in memory.
using Rank = std::tuple<absl::Time, absl::Time, int64_t, SessionId>;

Rank RankOf(const SessionView& session, absl::Time now, const SchedulerConfig& config) {
  switch (config.policy) {
    case SchedulingPolicy::kEarliestDeadlineFirst:
      return {DueTime(session, now, config), session.work_began, 0, session.id};
    case SchedulingPolicy::kFirstInFirstOut:
      return {session.work_began, session.work_began, 0, session.id};
    case SchedulingPolicy::kRoundRobin:
      return {now, now, session.last_plan, session.id};
  }
  return {now, now, 0, session.id};
}

// Somebody waits for its chunk: it has a deadline, or a viewer who has seen nothing yet.
bool IsWaitedFor(const SessionView& session) {
  return session.deadline.has_value() || (session.first_chunk && session.priority != PriorityClass::kBatch);
}

}  // namespace

absl::Time DueTime(const SessionView& session, absl::Time now, const SchedulerConfig& config) {
  absl::Time due;
  if (session.deadline.has_value()) {
    due = *session.deadline;
  } else if (session.priority == PriorityClass::kBatch) {
    due = session.work_began + config.batch_chunk_due;
  } else {
    due = session.work_began + (session.first_chunk ? config.first_chunk_due : config.standard_chunk_due);
  }
  return std::max(due, now - config.max_counted_lateness);
}

bool GivesWay(const SessionView& session, const Snapshot& snapshot, const SchedulerConfig& config) {
  if (snapshot.degradation >= Degradation::kBatch && session.priority == PriorityClass::kBatch) {
    // Ageing: what has waited as long as it may goes by its due time, like everybody.
    return snapshot.now - session.work_began < config.batch_chunk_due;
  }
  if (snapshot.degradation < Degradation::kRunAhead || !session.at_boundary || !session.deadline.has_value()) {
    return false;
  }
  const absl::Duration ahead = *session.deadline - snapshot.now;
  if (ahead < session.chunk_needs) return -ahead < config.late_chunk_due;
  return ahead > kRunAheadUnderLoad * session.chunk_period;
}

StepPlan PlanSteps(const Snapshot& snapshot, const SchedulerConfig& config) {
  std::vector<std::pair<Rank, const SessionView*>> ready, giving_way;
  for (const SessionView& session : snapshot.sessions) {
    if (!session.next_step.has_value()) continue;
    (GivesWay(session, snapshot, config) ? giving_way : ready)
        .emplace_back(RankOf(session, snapshot.now, config), &session);
  }
  // Nobody is helped by an engine that idles.
  if (ready.empty()) ready = std::move(giving_way);
  const auto earlier = [](const auto& a, const auto& b) { return a.first < b.first; };
  if (config.policy == SchedulingPolicy::kEarliestDeadlineFirst && !snapshot.sharing_is_free && !ready.empty() &&
      IsWaitedFor(*std::min_element(ready.begin(), ready.end(), earlier)->second)) {
    std::erase_if(ready, [](const auto& entry) { return !IsWaitedFor(*entry.second); });
  }
  const size_t count = std::min<size_t>(ready.size(), std::max(1, snapshot.max_sessions_per_plan));
  std::partial_sort(ready.begin(), ready.begin() + count, ready.end(), earlier);
  StepPlan plan;
  for (size_t i = 0; i < count; ++i) plan.steps.push_back(*ready[i].second->next_step);
  return plan;
}

}  // namespace videodiffcr
