// Tables: a few sessions in, the sessions of the plan out, in order.
#include "scheduler/step_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PriorityClass kStandard = PriorityClass::kStandard;
constexpr PriorityClass kBatch = PriorityClass::kBatch;
const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

// One session with a next step. Times in seconds from now.
struct Ready {
  SessionId id;
  double work_began;
  std::optional<double> deadline;
  PriorityClass priority = kStandard;
  bool first_chunk = false;
  int64_t last_plan = 0;
};

SessionView ViewOf(const Ready& ready) {
  SessionView view;
  view.id = ready.id;
  view.priority = ready.priority;
  view.state = SessionState::kGenerating;
  view.admitted = true;
  view.next_step.emplace();
  view.next_step->session = ready.id;
  view.work_began = kNow + absl::Seconds(ready.work_began);
  if (ready.deadline.has_value()) view.deadline = kNow + absl::Seconds(*ready.deadline);
  view.first_chunk = ready.first_chunk;
  view.last_plan = ready.last_plan;
  return view;
}

Snapshot SnapshotOf(const std::vector<Ready>& sessions, int max_sessions_per_plan) {
  Snapshot snapshot;
  snapshot.now = kNow;
  snapshot.max_sessions_per_plan = max_sessions_per_plan;
  for (const Ready& ready : sessions) snapshot.sessions.push_back(ViewOf(ready));
  return snapshot;
}

std::vector<SessionId> Order(const Snapshot& snapshot, const SchedulerConfig& config) {
  std::vector<SessionId> ids;
  for (const PlannedStep& step : PlanSteps(snapshot, config).steps) ids.push_back(step.session);
  return ids;
}

SchedulerConfig With(SchedulingPolicy policy) {
  SchedulerConfig config;
  config.policy = policy;
  config.first_chunk_due = absl::Milliseconds(100);
  config.standard_chunk_due = absl::Seconds(2);
  config.batch_chunk_due = absl::Seconds(10);
  config.max_counted_lateness = absl::Seconds(1);
  return config;
}

std::vector<SessionId> EdfOrder(const std::vector<Ready>& sessions) {
  return Order(SnapshotOf(sessions, 8), With(SchedulingPolicy::kEarliestDeadlineFirst));
}

TEST(EarliestDeadlineFirstTest, TheEarlierPlayoutDeadlineGoesFirstHoweverLongTheOtherHasWaited) {
  EXPECT_THAT(EdfOrder({{1, -5, 0.9}, {2, 0, 0.3}, {3, -1, 0.6}}), ElementsAre(2, 3, 1));
}

TEST(EarliestDeadlineFirstTest, AFirstChunkPassesAheadOfSessionsThatHaveSlack) {
  EXPECT_THAT(EdfOrder({{1, -1, 0.5}, {2, 0, std::nullopt, kStandard, true}}), ElementsAre(2, 1));
}

TEST(EarliestDeadlineFirstTest, AFirstChunkWaitsForASessionThatHasNoSlackLeft) {
  EXPECT_THAT(EdfOrder({{1, -1, 0.05}, {2, 0, std::nullopt, kStandard, true}}), ElementsAre(1, 2));
}

TEST(EarliestDeadlineFirstTest, BatchGivesWayToStandardWhenNoDeadlineDecides) {
  EXPECT_THAT(EdfOrder({{1, -1, std::nullopt, kBatch}, {2, 0, std::nullopt}}), ElementsAre(2, 1));
}

TEST(EarliestDeadlineFirstTest, ABatchSessionThatHasWaitedLongEnoughGoesBeforeAYoungerStandardOne) {
  EXPECT_THAT(EdfOrder({{1, -8.5, std::nullopt, kBatch}, {2, 0, std::nullopt}}), ElementsAre(1, 2));
}

TEST(EarliestDeadlineFirstTest, AFirstChunkOfABatchSessionIsInNoHurry) {
  EXPECT_THAT(EdfOrder({{1, 0, std::nullopt, kBatch, true}, {2, 0, std::nullopt}}), ElementsAre(2, 1));
}

TEST(EarliestDeadlineFirstTest, LatenessBeyondTheCapGainsNothingAndTheLongestWaitDecides) {
  // Session 2 is 30 s late, session 1 only 1.5 s, but its chunk has waited longer.
  EXPECT_THAT(EdfOrder({{1, -3.5, std::nullopt}, {2, -2, -30}}), ElementsAre(1, 2));
}

TEST(EarliestDeadlineFirstTest, EqualDueTimesGoByWaitAndThenByArrival) {
  EXPECT_THAT(EdfOrder({{3, -1, 0.5}, {2, -1, 0.5}, {1, 0, 0.5}}), ElementsAre(2, 3, 1));
}

TEST(EarliestDeadlineFirstTest, WhoRunsFlatOutDoesNotShareThePlanOfAChunkThatIsWaitedFor) {
  Snapshot snapshot = SnapshotOf({{1, -1, 0.5}, {2, 0, std::nullopt}, {3, 0, 0.9}, {4, 0, std::nullopt, kBatch}}, 8);
  const SchedulerConfig config = With(SchedulingPolicy::kEarliestDeadlineFirst);
  EXPECT_THAT(Order(snapshot, config), ElementsAre(1, 3));
  snapshot.sharing_is_free = true;
  EXPECT_THAT(Order(snapshot, config), ElementsAre(1, 3, 2, 4));
}

TEST(EarliestDeadlineFirstTest, WhoRunsFlatOutTakesThePlanWhenItsOwnDueTimeComesFirst) {
  // Due 0.1 s from now; those whose playout is later share what it has begun.
  EXPECT_THAT(EdfOrder({{1, -1, 0.5}, {2, -1.9, std::nullopt}}), ElementsAre(2, 1));
}

TEST(EarliestDeadlineFirstTest, WhoRunsFlatOutHasTheEngineWhileNobodyElseIsReady) {
  EXPECT_THAT(EdfOrder({{1, 0, std::nullopt}, {2, 0, std::nullopt, kBatch}}), ElementsAre(1, 2));
}

// Sixty seconds in which more standard chunks arrive than can be run: every waiting batch chunk gets its turn.
TEST(EarliestDeadlineFirstTest, NoClassStarvesUnderEndlessLoadOfTheOther) {
  const SchedulerConfig config = With(SchedulingPolicy::kEarliestDeadlineFirst);
  std::vector<Ready> sessions = {{1, 0, std::nullopt, kBatch}};
  for (SessionId id = 2; id <= 9; ++id) sessions.push_back({id, 0, -20.0});  // playout sessions, hopelessly late
  double longest_wait = 0;
  for (double now = 0; now < 60; now += 0.1) {
    Snapshot snapshot = SnapshotOf(sessions, 1);
    snapshot.now = kNow + absl::Seconds(now);
    const SessionId chosen = Order(snapshot, config).at(0);
    for (Ready& session : sessions) {
      if (session.id != chosen) continue;
      if (chosen == 1) longest_wait = std::max(longest_wait, now - session.work_began);
      session.work_began = now;
      if (session.deadline.has_value()) *session.deadline += 0.75;
    }
  }
  EXPECT_GT(longest_wait, 0);
  EXPECT_LT(longest_wait, 10 + 1 + 9 * 0.1);  // its due time, the cap, one turn of everybody
}

TEST(FirstInFirstOutTest, TheChunkThatCouldBeWorkedOnFirstGoesFirstWhateverItsDeadline) {
  const Snapshot snapshot = SnapshotOf({{1, -1, 0.1}, {2, -3, 9}, {3, -2, std::nullopt, kBatch}}, 8);
  EXPECT_THAT(Order(snapshot, With(SchedulingPolicy::kFirstInFirstOut)), ElementsAre(2, 3, 1));
}

TEST(RoundRobinTest, TheSessionWhoseLastStepIsLongestAgoGoesFirst) {
  const Snapshot snapshot = SnapshotOf(
      {{1, -1, 0.1, kStandard, false, 12}, {2, -3, 9, kStandard, false, 10}, {3, -2, 5, kStandard, true, 0}}, 8);
  EXPECT_THAT(Order(snapshot, With(SchedulingPolicy::kRoundRobin)), ElementsAre(3, 2, 1));
}

class EveryPolicyTest : public ::testing::TestWithParam<SchedulingPolicy> {};

TEST_P(EveryPolicyTest, APlanHoldsNoMoreSessionsThanAllowed) {
  const std::vector<Ready> sessions = {{1, -1, 0.5}, {2, -2, 0.4}, {3, -3, 0.3}};
  EXPECT_EQ(Order(SnapshotOf(sessions, 2), With(GetParam())).size(), 2u);
  EXPECT_EQ(Order(SnapshotOf(sessions, 1), With(GetParam())).size(), 1u);
}

TEST_P(EveryPolicyTest, SessionsWithoutANextStepAreLeftOut) {
  Snapshot snapshot = SnapshotOf({{1, -1, 0.5}, {2, -2, 0.4}}, 8);
  snapshot.sessions[1].next_step.reset();
  EXPECT_THAT(Order(snapshot, With(GetParam())), ElementsAre(1));
  snapshot.sessions[0].next_step.reset();
  EXPECT_THAT(Order(snapshot, With(GetParam())), IsEmpty());
}

TEST_P(EveryPolicyTest, ThePlanDoesNotDependOnTheOrderOfSessionsInTheSnapshot) {
  const std::vector<Ready> sessions = {{1, -1, 0.5}, {2, -1, 0.5}, {3, -1, 0.5}};
  const std::vector<Ready> reversed(sessions.rbegin(), sessions.rend());
  EXPECT_EQ(Order(SnapshotOf(sessions, 2), With(GetParam())), Order(SnapshotOf(reversed, 2), With(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(All, EveryPolicyTest,
                         ::testing::Values(SchedulingPolicy::kEarliestDeadlineFirst, SchedulingPolicy::kFirstInFirstOut,
                                           SchedulingPolicy::kRoundRobin),
                         [](const auto& info) { return std::string(SchedulingPolicyName(info.param)); });

TEST(StepPolicyTest, UnderLoadThoseWhoAreFarAheadWaitForThoseWhoAreNot) {
  Snapshot snapshot = SnapshotOf({{1, 0, 5.0}, {2, 0, 0.2}}, 2);
  for (SessionView& session : snapshot.sessions) {
    session.at_boundary = true;
    session.chunk_period = absl::Milliseconds(750);
  }
  EXPECT_THAT(Order(snapshot, SchedulerConfig()), ElementsAre(2, 1));
  snapshot.degradation = Degradation::kRunAhead;
  EXPECT_THAT(Order(snapshot, SchedulerConfig()), ElementsAre(2)) << "session 1 has six chunks in hand";
  snapshot.sessions[0].at_boundary = false;
  EXPECT_THAT(Order(snapshot, SchedulerConfig()), ElementsAre(2, 1)) << "a chunk that has begun is finished";
  snapshot.sessions[0].at_boundary = true;
  snapshot.sessions.pop_back();
  EXPECT_THAT(Order(snapshot, SchedulerConfig()), ElementsAre(1)) << "nobody is helped by an engine that idles";
}

TEST(StepPolicyTest, UnderLoadAChunkThatIsLateWhateverIsDoneWaitsForThoseThatCanBeInTime) {
  const SchedulerConfig config;
  Snapshot snapshot = SnapshotOf({{1, -1, 0.04}, {2, 0, 0.2}}, 2);
  for (SessionView& session : snapshot.sessions) {
    session.at_boundary = true;
    session.chunk_period = absl::Milliseconds(750);
    session.chunk_needs = absl::Milliseconds(50);
  }
  EXPECT_THAT(Order(snapshot, config), ElementsAre(1, 2)) << "by deadlines, while budgets can do it";
  snapshot.degradation = Degradation::kRunAhead;
  EXPECT_THAT(Order(snapshot, config), ElementsAre(2)) << "chunk 1 needs 50 ms and has 40";
  snapshot.sessions[0].at_boundary = false;
  EXPECT_THAT(Order(snapshot, config), ElementsAre(1, 2)) << "a chunk that has begun is finished";
  snapshot.sessions[0].at_boundary = true;
  snapshot.sessions[0].deadline = kNow - config.late_chunk_due;
  EXPECT_THAT(Order(snapshot, config), ElementsAre(1, 2)) << "it has waited for as long as it may";
  snapshot.sessions[0].deadline = kNow;
  snapshot.sessions.pop_back();
  EXPECT_THAT(Order(snapshot, config), ElementsAre(1)) << "nobody is helped by an engine that idles";
}

TEST(StepPolicyTest, UnderMoreLoadBatchSessionsWaitButNotForLongerThanTheirDueTime) {
  Snapshot snapshot = SnapshotOf({{1, -9.9, std::nullopt, kBatch}, {2, 0, 0.2}}, 2);
  snapshot.degradation = Degradation::kBatch;
  EXPECT_THAT(Order(snapshot, SchedulerConfig()), ElementsAre(2));
  snapshot.sessions[0].work_began = kNow - absl::Seconds(10);
  EXPECT_THAT(Order(snapshot, SchedulerConfig()), ElementsAre(1, 2));
}

// Three sessions that are a minute late take the whole engine, and everything that can give way has.
TEST(StepPolicyTest, ABatchChunkIsBegunWithinItsBoundWhateverTheLoad) {
  const SchedulerConfig config;
  constexpr absl::Duration kPass = absl::Milliseconds(25);
  constexpr int kPasses = 4;
  Snapshot snapshot = SnapshotOf({{1, 0, -60}, {2, 0, -60}, {3, 0, -60}, {4, 0, std::nullopt, kBatch}}, 1);
  snapshot.degradation = Degradation::kRefuse;
  std::vector<int> passes(4, 0);
  const absl::Duration bound = config.batch_chunk_due + config.max_counted_lateness + 3 * kPasses * kPass;
  for (; snapshot.now <= kNow + bound; snapshot.now += kPass) {
    const std::vector<SessionId> order = Order(snapshot, config);
    ASSERT_EQ(order.size(), 1u);
    if (order[0] == 4) return;
    SessionView& session = snapshot.sessions[order[0] - 1];
    if (++passes[order[0] - 1] % kPasses == 0) session.work_began = snapshot.now + kPass;
  }
  FAIL() << "not begun after " << bound;
}

}  // namespace
}  // namespace videodiffcr
