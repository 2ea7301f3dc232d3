#include "scheduler/budget_controller.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace videodiffcr {
namespace {

// A prediction is a mean: what it may be wrong by.
constexpr double kDownMargin = 1.05;
constexpr double kUpMargin = 1.25;

constexpr absl::Duration kBetweenStepsUp = absl::Milliseconds(500);
constexpr absl::Duration kBeforeStepDown = absl::Seconds(2);

bool WantsEngine(const SessionView& session) {
  return session.admitted && !session.ending &&
         (session.state == SessionState::kGenerating || session.state == SessionState::kFinishing);
}

// Sessions that share a plan with those that have playout, as far as there are any (PlanSteps()).
int BatchOf(const Snapshot& snapshot) {
  const auto wanting =
      std::count_if(snapshot.sessions.begin(), snapshot.sessions.end(), [&](const SessionView& session) {
        return WantsEngine(session) && (session.has_playout || snapshot.sharing_is_free);
      });
  return static_cast<int>(std::clamp<int64_t>(wanting, 1, std::max(1, snapshot.max_sessions_per_plan)));
}

RetentionTenths LowestFor(const SessionView& session) {
  const RetentionTenths floor = std::min(session.floor, session.target);
  if (!session.first_chunk) return floor;
  return std::max(floor, std::min(session.target, kLowestFirstChunkTenths));
}

}  // namespace

absl::Duration Timetable::Demand::Before(absl::Time time) const {
  if (deadline > time) return absl::ZeroDuration();
  absl::Duration left;
  const int64_t whole = absl::IDivDuration(time - deadline, period, &left);
  return rest + chunk * std::min(whole, std::max<int64_t>(0, chunks_left - 1));
}

std::optional<Timetable::Demand> Timetable::DemandOf(const SessionView& session, RetentionTenths budget) const {
  const bool begun = session.passes_left < times_.denoise_steps();
  const std::optional<absl::Duration> rest = times_.Rest(
      begun ? session.budget : budget, batch_, session.chunks_in_scene, session.passes_left, session.context_owed);
  const std::optional<absl::Duration> chunk = times_.Chunk(budget, batch_, session.chunks_in_scene);
  if (!rest.has_value() || !chunk.has_value()) return std::nullopt;
  return Demand{session.id,
                *session.deadline,
                session.chunk_period,
                *rest,
                *chunk,
                session.chunks_left.value_or(std::numeric_limits<int64_t>::max())};
}

std::optional<std::vector<Timetable::Demand>> Timetable::DemandsAt(const Snapshot& snapshot, bool lowest) const {
  std::vector<Demand> demands;
  for (const SessionView& session : snapshot.sessions) {
    if (!WantsEngine(session) || !session.deadline.has_value() || session.chunk_period <= absl::ZeroDuration())
      continue;
    std::optional<Demand> demand = DemandOf(session, lowest ? LowestFor(session) : session.budget);
    if (!demand.has_value()) return std::nullopt;
    demands.push_back(*demand);
  }
  return demands;
}

Timetable::Timetable(const Snapshot& snapshot, const PassTimes& times)
    : times_(times), now_(snapshot.now), batch_(BatchOf(snapshot)) {
  std::optional<std::vector<Demand>> at_lowest = DemandsAt(snapshot, /*lowest=*/true);
  std::optional<std::vector<Demand>> demands = DemandsAt(snapshot, /*lowest=*/false);
  known_ = at_lowest.has_value() && demands.has_value();
  if (!known_) return;
  demands_ = *std::move(demands);
  before_.resize(demands_.size());
  for (size_t i = 0; i < demands_.size(); ++i) {
    absl::Duration least;
    for (const Demand& demand : demands_) before_[i] += demand.Before(demands_[i].deadline);
    for (const Demand& demand : *at_lowest) least += demand.Before(demands_[i].deadline);
    somebody_is_late_ = somebody_is_late_ || least + times_.Delivery() > demands_[i].deadline - now_;
  }
}

std::optional<bool> Timetable::AllInTime(const SessionView& session, RetentionTenths budget, double margin) const {
  const std::optional<Demand> with = known_ ? DemandOf(session, budget) : std::nullopt;
  if (!with.has_value()) return std::nullopt;
  const auto own = std::find_if(demands_.begin(), demands_.end(), [&](const Demand& d) { return d.id == session.id; });
  for (size_t i = 0; i < demands_.size(); ++i) {
    const absl::Time deadline = demands_[i].deadline;
    if (deadline < *session.deadline) continue;  // is served before it
    absl::Duration demand = before_[i] + with->Before(deadline);
    if (own != demands_.end()) demand -= own->Before(deadline);
    if (demand * margin + times_.Delivery() > deadline - now_) return false;
  }
  return true;
}

absl::Duration Timetable::Needs(const SessionView& session, RetentionTenths budget) const {
  const std::optional<absl::Duration> rest =
      times_.Rest(budget, batch_, session.chunks_in_scene, session.passes_left, session.context_owed);
  return rest.has_value() ? *rest + times_.Delivery() : absl::ZeroDuration();
}

BudgetChoice ChooseBudget(const SessionView& session, const Timetable& timetable,
                          const std::vector<RetentionBudget>& budgets) {
  BudgetChoice choice;
  choice.budget = session.target;
  const RetentionTenths lowest = LowestFor(session);
  if (!session.deadline.has_value() || lowest >= session.target) return choice;
  const RetentionTenths before = std::clamp(session.budget, lowest, session.target);

  RetentionTenths fitting = lowest, next_up = session.target;
  for (const RetentionBudget& budget : budgets) {  // falling
    if (budget.tenths > before && budget.tenths <= session.target) next_up = budget.tenths;
    if (budget.tenths > before || budget.tenths < lowest || fitting > lowest) continue;
    const std::optional<bool> fits = timetable.AllInTime(session, budget.tenths, kDownMargin);
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
  const bool quiet = timetable.AllInTime(session, next_up, kUpMargin).value_or(false);
  choice.quiet_chunks = quiet ? session.quiet_chunks + 1 : 0;
  if (choice.quiet_chunks < kQuietChunksBeforeUp) return choice;
  choice.budget = next_up;
  choice.quiet_chunks = 0;
  choice.reason = "the server has room again";
  return choice;
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
