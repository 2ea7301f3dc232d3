// Budget controller, admission and step policy together, on an engine of arithmetic: a thousand random loads, in the
// time that a test may take. Passes take what they take, with some noise; sessions play what they are given.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "scheduler/admission_policy.h"
#include "scheduler/budget_controller.h"
#include "scheduler/step_policy.h"

namespace videodiffcr {
namespace {

constexpr int kPasses = 4;
constexpr absl::Duration kPeriod = absl::Milliseconds(750);
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
// What the tables of the model that is shipped execute.
const std::vector<RetentionBudget> kBudgets = {{10, 1.0}, {9, 0.9}, {8, 0.76}, {7, 0.62}};

double Executed(RetentionTenths tenths) {
  for (const RetentionBudget& budget : kBudgets) {
    if (budget.tenths == tenths) return budget.executed;
  }
  return 1;
}

struct Load {
  int sessions = 4;
  double load = 1;  // of the engine, every session dense
  int batch = 1;
  bool floors_differ = false;
  bool controller = true;
  bool admission = true;  // by slack, too
  int64_t chunks = 24;    // per session
};

struct Outcome {
  int64_t chunks = 0;
  int64_t misses = 0;
  int64_t below_floor = 0;
  int64_t dense_chunks = 0;
};

struct Session {
  SessionId id = 0;
  RetentionTenths floor = 7;
  absl::Duration start_buffer;
  int run_ahead = 8;
  bool admitted = true;
  int64_t made = 0;
  int passes_done = 0;  // of the chunk in progress
  bool in_chunk = false;
  bool context_owed = false;
  RetentionTenths budget = kDenseTenths;
  int quiet = 0;
  absl::Time work_began = kStart;
  std::optional<absl::Time> origin;

  std::optional<absl::Time> Due() const {
    return origin.has_value() ? std::optional(*origin + kPeriod * made) : std::nullopt;
  }
};

class Simulation {
 public:
  Simulation(const Load& load, uint64_t seed)
      : load_(load),
        random_(seed),
        times_(kBudgets, kPasses),
        pass_(kPeriod * load.load / load.sessions / (kPasses + 1)) {
    for (int i = 0; i < load.sessions; ++i) {
      Session session;
      session.id = i + 1;
      if (load.floors_differ) session.floor = 7 + static_cast<int>(random_() % 4);
      session.start_buffer = absl::Milliseconds(static_cast<int64_t>(random_() % 3000));
      session.run_ahead = 2 + static_cast<int>(random_() % 8);
      session.work_began = kStart + absl::Milliseconds(static_cast<int64_t>(random_() % 1500));
      session.admitted = !load.admission;
      sessions_.push_back(session);
    }
    // As the server's warm-up leaves it.
    times_.Note(StepKind::kDenoise, kDenseTenths, 1, 0, pass_);
    times_.Note(StepKind::kContext, kDenseTenths, 1, 0, pass_);
  }

  Outcome Run() {
    config_.max_sessions_per_plan = load_.batch;
    while (std::any_of(sessions_.begin(), sessions_.end(), [&](const Session& s) { return s.made < load_.chunks; })) {
      Turn();
    }
    return outcome_;
  }

 private:
  SessionView View(const Session& session) const {
    SessionView view;
    view.id = session.id;
    view.admitted = session.admitted;
    view.state = session.admitted ? SessionState::kGenerating : SessionState::kWaiting;
    view.work_began = session.work_began;
    view.deadline = session.Due();
    view.first_chunk = session.made == 0;
    view.target = kDenseTenths;
    view.floor = session.floor;
    view.budget = session.budget;
    view.quiet_chunks = session.quiet;
    view.has_playout = true;
    view.chunk_period = kPeriod;
    view.chunks_in_scene = session.made;
    view.passes_left = kPasses - session.passes_done;
    view.context_owed = session.context_owed;
    view.chunks_left = load_.chunks - session.made;
    if (!session.admitted) return view;
    if (session.made >= load_.chunks || session.work_began > now_) {
      if (session.made >= load_.chunks) view.state = SessionState::kPaused;
      return view;
    }
    const bool far_ahead =
        session.origin.has_value() && *session.origin + kPeriod * (session.made - session.run_ahead) > now_;
    if (!session.in_chunk && !session.context_owed && far_ahead) return view;
    view.next_step.emplace();
    view.next_step->session = session.id;
    view.next_step->kind = session.context_owed ? StepKind::kContext : StepKind::kDenoise;
    view.next_step->budget = session.budget;
    view.at_boundary = !session.in_chunk && !session.context_owed;
    return view;
  }

  void Turn() {
    Snapshot snapshot;
    snapshot.now = now_;
    snapshot.max_sessions_per_plan = load_.batch;
    snapshot.slack_admission = true;
    snapshot.chunk_duration = kPeriod;
    for (Session& session : sessions_) Admit(&session);
    for (const Session& session : sessions_) snapshot.sessions.push_back(View(session));
    std::map<SessionId, BudgetChoice> choices;
    const Timetable timetable(snapshot, times_);
    bool any_lowered = false;
    for (SessionView& view : snapshot.sessions) {
      any_lowered = any_lowered || view.budget < view.target;
      if (!view.at_boundary) continue;
      BudgetChoice choice = load_.controller ? ChooseBudget(view, timetable, kBudgets) : BudgetChoice();
      view.next_step->budget = choice.budget;
      if (load_.controller) view.chunk_needs = timetable.Needs(view, choice.budget);
      choices[view.id] = choice;
    }
    if (load_.controller) Degrade(&snapshot, any_lowered, timetable.SomebodyIsLate());
    const StepPlan plan = PlanSteps(snapshot, config_);
    if (plan.steps.empty()) {
      now_ += absl::Milliseconds(5);  // all are far ahead, or wait
      return;
    }
    Carry(plan, choices);
  }

  // By arrival, if the engine can serve it with those that run.
  void Admit(Session* session) {
    if (session->admitted || session->work_began > now_) return;
    Snapshot snapshot;
    snapshot.now = now_;
    snapshot.max_sessions_per_plan = load_.batch;
    snapshot.slack_admission = true;
    snapshot.chunk_duration = kPeriod;
    for (const Session& other : sessions_) {
      if (&other != session) snapshot.sessions.push_back(View(other));
    }
    session->admitted = !BreaksPromises(snapshot, times_, session->floor);
    if (session->admitted) session->work_began = now_;
  }

  void Degrade(Snapshot* snapshot, bool any_lowered, bool somebody_is_late) {
    const Degradation next = NextDegradation(degradation_, since_, any_lowered, somebody_is_late, now_);
    if (next != degradation_) since_ = now_;
    degradation_ = snapshot->degradation = next;
  }

  void Carry(const StepPlan& plan, const std::map<SessionId, BudgetChoice>& choices) {
    const int batch = static_cast<int>(plan.steps.size());
    absl::Duration elapsed;
    for (const PlannedStep& step : plan.steps) {
      const double share = step.kind == StepKind::kContext ? 1.0 : Executed(step.budget);
      elapsed += pass_ * share * (0.95 + 0.1 * std::generate_canonical<double, 32>(random_));
    }
    now_ += elapsed;
    for (const PlannedStep& step : plan.steps) {
      Session& session = sessions_[step.session - 1];
      times_.Note(step.kind, step.budget, batch, session.made, elapsed);
      if (step.kind == StepKind::kContext) {
        session.context_owed = false;
        session.work_began = now_;
        continue;
      }
      if (!session.in_chunk) {
        session.in_chunk = true;
        session.budget = step.budget;
        session.quiet = choices.at(session.id).quiet_chunks;
        outcome_.below_floor += step.budget < session.floor ? 1 : 0;
        outcome_.dense_chunks += step.budget == kDenseTenths ? 1 : 0;
      }
      if (++session.passes_done == kPasses) FinishChunk(&session);
    }
  }

  void FinishChunk(Session* session) {
    ++outcome_.chunks;
    if (!session->origin.has_value()) {
      session->origin = now_ + session->start_buffer;
    } else if (now_ > *session->Due()) {
      ++outcome_.misses;
    }
    session->in_chunk = false;
    session->passes_done = 0;
    session->context_owed = true;
    ++session->made;
  }

  const Load load_;
  std::mt19937_64 random_;
  SchedulerConfig config_;
  PassTimes times_;
  const absl::Duration pass_;
  absl::Time now_ = kStart;
  std::vector<Session> sessions_;
  Degradation degradation_ = Degradation::kNone;
  absl::Time since_ = kStart;
  Outcome outcome_;
};

TEST(BudgetSimulationTest, OverAThousandRandomLoadsNoFloorIsCrossed) {
  std::mt19937_64 random(1);
  int64_t chunks = 0, below_floor = 0;
  for (int i = 0; i < 1000; ++i) {
    Load load;
    load.sessions = 1 + static_cast<int>(random() % 12);
    load.load = 0.3 + 2.2 * std::generate_canonical<double, 32>(random);
    load.batch = 1 + static_cast<int>(random() % 4);
    load.floors_differ = true;
    load.admission = random() % 2 == 0;
    load.chunks = 12;
    const Outcome outcome = Simulation(load, 1000 + i).Run();
    chunks += outcome.chunks;
    below_floor += outcome.below_floor;
  }
  EXPECT_GT(chunks, 50'000);
  EXPECT_EQ(below_floor, 0);
}

// A hundred loads of that size, with what is asked for and without.
struct Comparison {
  int64_t with = 0, without = 0, chunks = 0;
};
Comparison Compare(double size, bool admission) {
  Comparison sum;
  std::mt19937_64 random(2);
  for (int i = 0; i < 100; ++i) {
    Load load;
    load.sessions = 3 + static_cast<int>(random() % 10);
    load.load = size;
    load.batch = 1 + static_cast<int>(random() % 4);
    load.chunks = 40;
    load.admission = admission;
    const Outcome on = Simulation(load, i).Run();
    load.controller = load.admission = false;
    const Outcome off = Simulation(load, i).Run();
    sum.with += on.misses;
    sum.without += off.misses;
    sum.chunks += on.chunks;
  }
  return sum;
}

// At the floors these take 1.04 of the engine: budgets alone cannot do it, so some wait for a place.
TEST(BudgetSimulationTest, AtHalfAgainTheLoadMissesAreAtMostHalfOfThoseWithoutAnyOfIt) {
  const Comparison misses = Compare(1.5, /*admission=*/true);
  EXPECT_GT(misses.without, misses.chunks / 10) << "the load is one";
  EXPECT_LE(misses.with, misses.without / 2) << "of " << misses.chunks << " chunks";
  RecordProperty("misses", static_cast<int>(misses.with));
}

// At the floors these take 0.9 of it.
TEST(BudgetSimulationTest, WhereFloorsAreEnoughBudgetsAloneHalveTheMisses) {
  const Comparison misses = Compare(1.3, /*admission=*/false);
  EXPECT_GT(misses.without, misses.chunks / 10) << "the load is one";
  EXPECT_LE(misses.with, misses.without / 2) << "of " << misses.chunks << " chunks";
  RecordProperty("misses", static_cast<int>(misses.with));
}

// At the floors these take all of it, and first chunks, which are dearer, put the engine behind before it begins.
TEST(BudgetSimulationTest, WhereFloorsJustSufficeThoseWhoAreLateDoNotMakeAllOthersLate) {
  const Comparison misses = Compare(1.45, /*admission=*/false);
  EXPECT_GT(misses.without, misses.chunks / 2) << "the load is one";
  EXPECT_LE(misses.with, misses.without / 3) << "of " << misses.chunks << " chunks";
  RecordProperty("misses", static_cast<int>(misses.with));
}

TEST(BudgetSimulationTest, AtHalfTheLoadNothingIsLowered) {
  for (int i = 0; i < 20; ++i) {
    Load load;
    load.sessions = 6;
    load.load = 0.5;
    load.chunks = 30;
    const Outcome outcome = Simulation(load, i).Run();
    EXPECT_EQ(outcome.misses, 0);
    EXPECT_GE(outcome.dense_chunks, outcome.chunks * 95 / 100);
  }
}

}  // namespace
}  // namespace videodiffcr
