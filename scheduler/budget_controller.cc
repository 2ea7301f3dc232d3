#include "scheduler/budget_controller.h"

#include <algorithm>
#include <optional>

namespace videodiffcr {
namespace {

// A prediction is a mean. What it may be wrong by, and the decode and encode behind the last pass.
constexpr double kDownMargin = 1.05;
constexpr double kUpMargin = 1.25;
constexpr absl::Duration kDelivery = absl::Milliseconds(20);

constexpr absl::Duration kBetweenStepsUp = absl::Milliseconds(500);
constexpr absl::Duration kBeforeStepDown = absl::Seconds(2);

bool WantsEngine(const SessionView& session) {
  return session.admitted && !session.ending &&
         (session.state == SessionState::kGenerating || session.state == SessionState::kFinishing);
}

// Sessions that share a plan, as far as there are any.
int BatchOf(const Snapshot& snapshot) {
  const auto wanting = std::count_if(snapshot.sessions.begin(), snapshot.sessions.end(), WantsEngine);
  return static_cast<int>(std::clamp<int64_t>(wanting, 1, std::max(1, snapshot.max_sessions_per_plan)));
}

// What the engine has to do for another session before `deadline`: the rest of its chunk if that is due by then, and
// the whole chunks behind it that are.
std::optional<absl::Duration> DemandOf(const SessionView& other, absl::Time deadline, int batch,
                                       const PassTimes& times) {
  if (!other.deadline.has_value() || other.chunk_period <= absl::ZeroDuration() || *other.deadline > deadline) {
    return absl::ZeroDuration();
  }
  const std::optional<absl::Duration> rest =
      times.Rest(other.budget, batch, other.chunks_in_scene, other.passes_left, other.context_owed);
  const std::optional<absl::Duration> chunk = times.Chunk(other.budget, batch, other.chunks_in_scene);
  if (!rest.has_value() || !chunk.has_value()) return std::nullopt;
  absl::Duration left;
  int64_t chunks = absl::IDivDuration(deadline - *other.deadline, other.chunk_period, &left);
  if (other.chunks_left.has_value()) chunks = std::min(chunks, std::max<int64_t>(0, *other.chunks_left - 1));
  return *rest + *chunk * chunks;
}

// Of all others, before `deadline`.
std::optional<absl::Duration> DemandOfOthers(const SessionView& session, absl::Time deadline, int batch,
                                             const Snapshot& snapshot, const PassTimes& times) {
  absl::Duration demand;
  for (const SessionView& other : snapshot.sessions) {
    if (other.id == session.id || !WantsEngine(other)) continue;
    const std::optional<absl::Duration> one = DemandOf(other, deadline, batch, times);
    if (!one.has_value()) return std::nullopt;
    demand += *one;
  }
  return demand;
}

struct Prediction {
  absl::Duration room;    // between now and the deadline
  absl::Duration others;  // demand before it
};

// Whether the session's chunk at `budget` fits; nullopt: nothing is known.
std::optional<bool> Fits(const SessionView& session, RetentionTenths budget, const Prediction& prediction, int batch,
                         const PassTimes& times, double margin) {
  const std::optional<absl::Duration> own =
      times.Rest(budget, batch, session.chunks_in_scene, session.passes_left, session.context_owed);
  if (!own.has_value()) return std::nullopt;
  return (prediction.others + *own) * margin + kDelivery <= prediction.room;
}

RetentionTenths LowestFor(const SessionView& session) {
  const RetentionTenths floor = std::min(session.floor, session.target);
  if (!session.first_chunk) return floor;
  return std::max(floor, std::min(session.target, kLowestFirstChunkTenths));
}

}  // namespace

BudgetChoice ChooseBudget(const SessionView& session, const Snapshot& snapshot, const PassTimes& times,
                          const std::vector<RetentionBudget>& budgets) {
  BudgetChoice choice;
  choice.budget = session.target;
  const RetentionTenths lowest = LowestFor(session);
  if (!session.deadline.has_value() || lowest >= session.target) return choice;
  const int batch = BatchOf(snapshot);
  const std::optional<absl::Duration> others = DemandOfOthers(session, *session.deadline, batch, snapshot, times);
  if (!others.has_value()) return choice;
  const Prediction prediction = {*session.deadline - snapshot.now, *others};
  const RetentionTenths before = std::clamp(session.budget, lowest, session.target);

  RetentionTenths fitting = lowest, next_up = session.target;
  for (const RetentionBudget& budget : budgets) {  // falling
    if (budget.tenths > before && budget.tenths <= session.target) next_up = budget.tenths;
    if (budget.tenths > before || budget.tenths < lowest || fitting > lowest) continue;
    const std::optional<bool> fits = Fits(session, budget.tenths, prediction, batch, times, kDownMargin);
    if (!fits.has_value()) return choice;
    if (*fits) fitting = budget.tenths;
  }
  if (fitting < before) {
    choice.budget = fitting;
    choice.reason = "the server is busy: chunks at the budget before would be late";
    return choice;
  }
  choice.budget = before;
  if (before == session.target) return choice;
  const bool quiet = Fits(session, next_up, prediction, batch, times, kUpMargin).value_or(false);
  choice.quiet_chunks = quiet ? session.quiet_chunks + 1 : 0;
  if (choice.quiet_chunks < kQuietChunksBeforeUp) return choice;
  choice.budget = next_up;
  choice.quiet_chunks = 0;
  choice.reason = "the server has room again";
  return choice;
}

bool CannotMeetDeadlines(const Snapshot& snapshot, const PassTimes& times) {
  const int batch = BatchOf(snapshot);
  for (const SessionView& session : snapshot.sessions) {
    if (!WantsEngine(session) || !session.deadline.has_value()) continue;
    const std::optional<absl::Duration> others = DemandOfOthers(session, *session.deadline, batch, snapshot, times);
    if (!others.has_value()) return false;
    const Prediction prediction = {*session.deadline - snapshot.now, *others};
    if (!Fits(session, LowestFor(session), prediction, batch, times, 1.0).value_or(true)) return true;
  }
  return false;
}

std::optional<double> NeededShare(const Snapshot& snapshot, const PassTimes& times,
                                  std::optional<RetentionTenths> more) {
  const int batch = BatchOf(snapshot);
  double share = 0;
  absl::Duration period = snapshot.chunk_duration;
  for (const SessionView& session : snapshot.sessions) {
    if (!WantsEngine(session) || !session.has_playout || session.chunk_period <= absl::ZeroDuration()) continue;
    const std::optional<absl::Duration> chunk =
        times.Chunk(std::min(session.floor, session.target), batch, PassTimes::kWindows);
    if (!chunk.has_value()) return std::nullopt;
    share += absl::FDivDuration(*chunk, session.chunk_period);
  }
  if (more.has_value() && period > absl::ZeroDuration()) {
    const std::optional<absl::Duration> chunk = times.Chunk(*more, batch, PassTimes::kWindows);
    if (!chunk.has_value()) return std::nullopt;
    share += absl::FDivDuration(*chunk, period);
  }
  return share;
}

Degradation NextDegradation(Degradation before, absl::Time since, bool any_lowered, bool cannot_meet_deadlines,
                            absl::Time now) {
  const auto step = [](Degradation from, int by) { return static_cast<Degradation>(static_cast<int>(from) + by); };
  if (cannot_meet_deadlines) {
    if (before == Degradation::kRefuse) return before;
    return before < Degradation::kBudgets || now - since >= kBetweenStepsUp ? step(before, 1) : before;
  }
  if (before > Degradation::kBudgets) return now - since >= kBeforeStepDown ? step(before, -1) : before;
  return any_lowered ? Degradation::kBudgets : Degradation::kNone;
}

}  // namespace videodiffcr
