#include "scheduler/admission_policy.h"

#include <gtest/gtest.h>

#include <limits>

#include "scheduler/memory_budget.h"
#include "scheduler/retry_after.h"

namespace videodiffcr {
namespace {

const PassTimes kNothingKnown({}, 4);

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

// Sessions of 100 bytes each: `running` chunks left of each admitted one (-1: no length), then the waiting ones.
Snapshot SnapshotOf(const std::vector<int64_t>& running, const std::vector<PriorityClass>& waiting,
                    int64_t budget_bytes) {
  Snapshot snapshot;
  snapshot.now = kNow;
  snapshot.session_bytes = 100;
  snapshot.memory_budget_bytes = budget_bytes;
  snapshot.memory_reserved_bytes = 100 * static_cast<int64_t>(running.size());
  snapshot.max_sessions = 4;
  snapshot.max_waiting_sessions = 2;
  for (const int64_t chunks_left : running) {
    SessionView view;
    view.id = static_cast<SessionId>(snapshot.sessions.size()) + 1;
    view.state = SessionState::kGenerating;
    view.admitted = true;
    if (chunks_left >= 0) view.chunks_left = chunks_left;
    snapshot.sessions.push_back(view);
  }
  for (const PriorityClass priority : waiting) {
    SessionView view;
    view.id = static_cast<SessionId>(snapshot.sessions.size()) + 1;
    view.priority = priority;
    view.submitted = kNow - absl::Seconds(1);
    snapshot.sessions.push_back(view);
  }
  return snapshot;
}

constexpr PriorityClass kStandard = PriorityClass::kStandard;
constexpr PriorityClass kBatch = PriorityClass::kBatch;

TEST(AdmissionPolicyTest, ASessionIsAdmittedWhenItsMemoryFits) {
  const AdmissionDecision decision = DecideAdmission(SnapshotOf({5}, {}, 200));
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kAdmit);
}

TEST(AdmissionPolicyTest, AModelWithSlotsOfItsOwnIsItsOwnLimit) {
  EXPECT_EQ(BudgetOfModel(/*host_budget_bytes=*/50, /*session_bytes=*/100, /*session_capacity=*/3), 300);
  EXPECT_EQ(BudgetOfModel(50, 100, 0), 50);
}

TEST(AdmissionPolicyTest, ASessionWaitsWhenOneByteIsMissing) {
  const AdmissionDecision decision = DecideAdmission(SnapshotOf({5}, {}, 199));
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kWait);
  EXPECT_EQ(decision.obstacle, AdmissionObstacle::kMemory);
}

TEST(AdmissionPolicyTest, ASessionWaitsWhenTheNumberOfSessionsIsReached) {
  const AdmissionDecision decision = DecideAdmission(SnapshotOf({5, 5, 5, 5}, {}, 10'000));
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kWait);
  EXPECT_EQ(decision.obstacle, AdmissionObstacle::kSessions);
}

TEST(AdmissionPolicyTest, NobodyPassesThoseWhoAlreadyWait) {
  EXPECT_EQ(DecideAdmission(SnapshotOf({5}, {kBatch}, 10'000)).verdict, AdmissionVerdict::kWait);
}

TEST(AdmissionPolicyTest, ASessionIsRefusedWithAWaitWhenTheQueueIsFull) {
  Snapshot snapshot = SnapshotOf({40, 20, 30}, {kStandard, kStandard}, 300);
  snapshot.chunk_period = absl::Milliseconds(500);
  const AdmissionDecision decision = DecideAdmission(snapshot);
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kRefuse);
  EXPECT_EQ(decision.obstacle, AdmissionObstacle::kMemory);
  // Two wait before it, so it gets the room of the third session to end: 40 chunks of half a second.
  EXPECT_EQ(decision.retry_after, absl::Seconds(20));
}

TEST(AdmissionPolicyTest, OnlySessionsThatRunMakeRoomSoOnlyTheirChunksCountForTheWait) {
  Snapshot snapshot = SnapshotOf({40, 20, 30}, {kStandard, kStandard}, 300);
  snapshot.chunk_period = absl::Milliseconds(500);
  for (SessionView& session : snapshot.sessions) {
    if (!session.admitted) session.chunks_left = 2;
  }
  EXPECT_EQ(DecideAdmission(snapshot).retry_after, absl::Seconds(20));
}

TEST(AdmissionPolicyTest, AFullQueueRefusesEvenWhileThereIsRoomForThoseInIt) {
  const AdmissionDecision decision = DecideAdmission(SnapshotOf({5}, {kStandard, kStandard}, 10'000));
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kRefuse);
  EXPECT_EQ(decision.obstacle, AdmissionObstacle::kSessions);
}

TEST(AdmissionPolicyTest, NothingIsAdmittedOrQueuedWhileDraining) {
  Snapshot snapshot = SnapshotOf({}, {}, 10'000);
  snapshot.draining = true;
  const AdmissionDecision decision = DecideAdmission(snapshot);
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kRefuse);
  EXPECT_EQ(decision.obstacle, AdmissionObstacle::kDraining);
}

TEST(AdmissionPolicyTest, StandardIsTakenInBeforeBatchAndOtherwiseTheOldestFirst) {
  EXPECT_EQ(NextToAdmit(SnapshotOf({5}, {kBatch, kStandard, kStandard}, 200), SchedulerConfig(), kNothingKnown), 3);
}

TEST(AdmissionPolicyTest, ABatchSessionThatHasWaitedLongEnoughKeepsItsPlace) {
  Snapshot snapshot = SnapshotOf({5}, {kBatch, kStandard}, 200);
  SchedulerConfig config;
  snapshot.sessions[1].submitted = kNow - config.batch_chunk_due;
  EXPECT_EQ(NextToAdmit(snapshot, config, kNothingKnown), 2);
}

TEST(AdmissionPolicyTest, ASessionThatWasCancelledWhileItWaitedIsNotTakenInAndTakesNoPlaceInTheQueue) {
  Snapshot snapshot = SnapshotOf({5}, {kStandard, kStandard}, 200);
  snapshot.sessions[1].ending = true;
  EXPECT_EQ(NextToAdmit(snapshot, SchedulerConfig(), kNothingKnown), 3);
  snapshot.memory_budget_bytes = 100;
  EXPECT_EQ(DecideAdmission(snapshot).verdict, AdmissionVerdict::kWait) << "one of two places is free";
}

TEST(AdmissionPolicyTest, AServerThatDrainsTakesNobodyIn) {
  Snapshot snapshot = SnapshotOf({5}, {kStandard}, 200);
  snapshot.draining = true;
  EXPECT_EQ(NextToAdmit(snapshot, SchedulerConfig(), kNothingKnown), std::nullopt);
}

TEST(AdmissionPolicyTest, NobodyIsTakenInWithoutRoom) {
  EXPECT_EQ(NextToAdmit(SnapshotOf({5, 5}, {kStandard}, 299), SchedulerConfig(), kNothingKnown), std::nullopt);
  EXPECT_EQ(NextToAdmit(SnapshotOf({5, 5}, {}, 300), SchedulerConfig(), kNothingKnown), std::nullopt);
}

TEST(AdmissionPolicyTest, ThePredictedWaitIsTenSecondsWhereNothingIsKnownAndBetweenOneSecondAndOneMinuteElsewhere) {
  EXPECT_EQ(PredictWait(SnapshotOf({5}, {}, 100)), absl::Seconds(10));  // no chunk measured
  Snapshot endless = SnapshotOf({-1, -1}, {}, 200);
  endless.chunk_period = absl::Seconds(1);
  EXPECT_EQ(PredictWait(endless), absl::Seconds(10));
  Snapshot nearly_done = SnapshotOf({1}, {}, 100);
  nearly_done.chunk_period = absl::Milliseconds(50);
  EXPECT_EQ(PredictWait(nearly_done), absl::Seconds(1));
  Snapshot long_one = SnapshotOf({100'000}, {}, 100);
  long_one.chunk_period = absl::Seconds(1);
  EXPECT_EQ(PredictWait(long_one), absl::Minutes(1));
}

TEST(MemoryBudgetTest, TheBudgetHoldsAsManySessionsAsFitWhole) {
  EXPECT_EQ(SessionsThatFit(299, 100), 2);
  EXPECT_EQ(SessionsThatFit(300, 100), 3);
  EXPECT_EQ(SessionsThatFit(0, 100), 0);
}

TEST(MemoryBudgetTest, NearTheLargestNumberNothingOverflows) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(FitsOneMore(kMost, kMost - 1, 2));
  EXPECT_TRUE(FitsOneMore(kMost, kMost - 2, 2));
  EXPECT_FALSE(FitsOneMore(100, 200, 1));
}

TEST(RetryAfterTest, AStatusCarriesTheWaitAndKeepsCodeAndMessage) {
  const absl::Status status = WithRetryAfter(absl::ResourceExhaustedError("full"), absl::Milliseconds(1500));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "full");
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(1500));
}

TEST(RetryAfterTest, OtherStatusesSuggestNone) {
  EXPECT_EQ(RetryAfter(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(RetryAfter(absl::ResourceExhaustedError("full")), std::nullopt);
}

// One session that plays 0.75 s chunks, each 0.3 s of the engine dense and 0.2 s at 0.7.
class SlackAdmissionTest : public ::testing::Test {
 protected:
  SlackAdmissionTest() : times_({{10, 1.0}, {7, 2.0 / 3}}, 4) {
    times_.Note(StepKind::kDenoise, 10, 1, 0, absl::Milliseconds(70));
    times_.Note(StepKind::kContext, 10, 1, 0, absl::Milliseconds(20));
    snapshot_.session_bytes = 1;
    snapshot_.memory_budget_bytes = 100;
    snapshot_.max_sessions = 100;
    snapshot_.max_waiting_sessions = 1;
    snapshot_.slack_admission = true;
    snapshot_.chunk_duration = absl::Milliseconds(750);
  }
  void AddPlaying(RetentionTenths floor) {
    SessionView view;
    view.id = static_cast<SessionId>(snapshot_.sessions.size()) + 1;
    view.admitted = true;
    view.state = SessionState::kGenerating;
    view.has_playout = true;
    view.floor = floor;
    view.chunk_period = absl::Milliseconds(750);
    snapshot_.sessions.push_back(view);
  }
  AdmissionDecision Decide(RetentionTenths floor) {
    return DecideAdmission(snapshot_, BreaksPromises(snapshot_, times_, floor));
  }
  Snapshot snapshot_;
  PassTimes times_;
};

TEST_F(SlackAdmissionTest, ASessionThatWouldMakeOthersLateWaitsAndThenIsRefusedWithAWait) {
  AddPlaying(10);
  EXPECT_EQ(Decide(10).verdict, AdmissionVerdict::kAdmit) << "two take 0.6 s of 0.75 s";
  AddPlaying(10);
  EXPECT_EQ(Decide(10).verdict, AdmissionVerdict::kWait) << "three would take 0.9 s";
  EXPECT_EQ(Decide(10).obstacle, AdmissionObstacle::kSlack);
  snapshot_.max_waiting_sessions = 0;
  EXPECT_EQ(Decide(10).verdict, AdmissionVerdict::kRefuse);
  EXPECT_GT(Decide(10).retry_after, absl::ZeroDuration());
}

TEST_F(SlackAdmissionTest, WhatFloorsAllowCountsNotWhatIsUsed) {
  AddPlaying(7);
  AddPlaying(7);
  EXPECT_EQ(Decide(7).verdict, AdmissionVerdict::kAdmit) << "three at 0.7 take 0.62 s of 0.75 s";
}

TEST_F(SlackAdmissionTest, WhereNobodyPlaysNoPromiseIsBroken) {
  times_.Note(StepKind::kDenoise, 10, 2, 0, absl::Hours(1));
  snapshot_.chunk_duration = absl::Milliseconds(1);
  EXPECT_EQ(Decide(10).verdict, AdmissionVerdict::kAdmit) << "however slow the server is";
}

TEST_F(SlackAdmissionTest, ASessionWithoutPlayoutNeedsNoSlack) {
  for (int i = 0; i < 10; ++i) AddPlaying(10);
  EXPECT_EQ(DecideAdmission(snapshot_).verdict, AdmissionVerdict::kAdmit);
}

TEST_F(SlackAdmissionTest, WhereNothingIsKnownNobodyIsRefused) {
  for (int i = 0; i < 10; ++i) AddPlaying(10);
  EXPECT_FALSE(BreaksPromises(snapshot_, kNothingKnown, 10));
  snapshot_.slack_admission = false;
  EXPECT_FALSE(BreaksPromises(snapshot_, times_, 10));
}

TEST_F(SlackAdmissionTest, WhoWaitsForSlackIsPassedOverByThoseWhoNeedNone) {
  for (int i = 0; i < 3; ++i) AddPlaying(10);
  for (const bool playout : {true, false}) {
    SessionView waiting;
    waiting.id = static_cast<SessionId>(snapshot_.sessions.size()) + 1;
    waiting.has_playout = playout;
    snapshot_.sessions.push_back(waiting);
  }
  EXPECT_EQ(NextToAdmit(snapshot_, SchedulerConfig(), times_), 5);
  snapshot_.sessions.erase(snapshot_.sessions.begin(), snapshot_.sessions.begin() + 2);
  EXPECT_EQ(NextToAdmit(snapshot_, SchedulerConfig(), times_), 4) << "one plays, so there is room for another";
}

}  // namespace
}  // namespace videodiffcr
