// Tables: a few sessions in, the budget of one session's next chunk out.
#include "scheduler/budget_controller.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);
const std::vector<RetentionBudget> kBudgets = {{10, 1.0}, {9, 0.9}, {8, 0.8}, {7, 0.7}};

// A dense chunk takes 100 ms of the engine, one at 0.7 takes 76: four passes of 20 ms, and a context pass of 20.
PassTimes Times() {
  PassTimes times(kBudgets, 4);
  for (const RetentionBudget& budget : kBudgets) {
    times.Note(StepKind::kDenoise, budget.tenths, 1, 0, absl::Milliseconds(20) * budget.executed);
  }
  times.Note(StepKind::kContext, 10, 1, 0, absl::Milliseconds(20));
  return times;
}

class BudgetControllerTest : public ::testing::Test {
 protected:
  BudgetControllerTest() { snapshot_.now = kNow; }

  // At a boundary, due in `room_ms`; a chunk every 750 ms.
  SessionView& Add(double room_ms, RetentionTenths budget = 10, RetentionTenths floor = 7) {
    SessionView view;
    view.id = static_cast<SessionId>(snapshot_.sessions.size()) + 1;
    view.admitted = true;
    view.state = SessionState::kGenerating;
    view.has_playout = true;
    view.at_boundary = true;
    view.deadline = kNow + absl::Milliseconds(room_ms);
    view.target = 10;
    view.floor = floor;
    view.budget = budget;
    view.chunk_period = absl::Milliseconds(750);
    view.passes_left = 4;
    snapshot_.sessions.push_back(view);
    return snapshot_.sessions.back();
  }
  BudgetChoice Choose(size_t index = 0) {
    return ChooseBudget(snapshot_.sessions[index], Timetable(snapshot_, times_), kBudgets);
  }
  RetentionTenths Chosen(double room_ms, RetentionTenths budget = 10, RetentionTenths floor = 7) {
    snapshot_.sessions.clear();
    Add(room_ms, budget, floor);
    return Choose().budget;
  }

  Snapshot snapshot_;
  PassTimes times_ = Times();
};

// Four passes of 20 ms, 5 % for luck, 20 ms for decode and encode: a dense chunk needs 104 ms.
TEST_F(BudgetControllerTest, TheLargestBudgetThatIsInTimeIsChosen) {
  EXPECT_EQ(Chosen(104), 10);
  EXPECT_EQ(Chosen(103), 9);
  EXPECT_EQ(Chosen(95), 8);
  EXPECT_EQ(Chosen(80), 7);
  EXPECT_EQ(Chosen(10), 7) << "late anyhow, and never below the floor";
  EXPECT_EQ(Chosen(-500), 7);
}

TEST_F(BudgetControllerTest, WhatDeliveriesTakeIsLearnt) {
  EXPECT_EQ(Chosen(150), 10);
  for (int i = 0; i < 200; ++i) times_.NoteDelivery(absl::Milliseconds(80));
  EXPECT_EQ(Chosen(165), 10) << "passes of 80 ms, 5 % for luck, a delivery of 80";
  EXPECT_EQ(Chosen(150), 8);
  EXPECT_EQ(Chosen(130), 7) << "late anyhow";
}

TEST_F(BudgetControllerTest, AChunkNeedsItsPassesAndItsDelivery) {
  SessionView& session = Add(500);
  EXPECT_EQ(Timetable(snapshot_, times_).Needs(session, 10), absl::Milliseconds(100));
  EXPECT_EQ(Timetable(snapshot_, times_).Needs(session, 7), absl::Milliseconds(76));
  session.context_owed = true;
  EXPECT_EQ(Timetable(snapshot_, times_).Needs(session, 10), absl::Milliseconds(120));
  const PassTimes unknown(kBudgets, 4);
  EXPECT_EQ(Timetable(snapshot_, unknown).Needs(session, 10), absl::ZeroDuration());
}

TEST_F(BudgetControllerTest, TheFloorHolds) {
  EXPECT_EQ(Chosen(10, 10, 9), 9);
  EXPECT_EQ(Chosen(10, 10, 10), 10);
}

TEST_F(BudgetControllerTest, AFloorAboveATargetThatTheClientHasLoweredIsTheTarget) {
  SessionView& session = Add(10);
  session.target = 8;
  session.floor = 9;
  session.budget = 8;
  EXPECT_EQ(Choose().budget, 8);
}

TEST_F(BudgetControllerTest, WithoutADeadlineOrWithoutFiguresTheTargetIsMade) {
  Add(0).deadline.reset();
  EXPECT_EQ(Choose().budget, 10);
  snapshot_.sessions[0].deadline = kNow;
  const PassTimes nothing(kBudgets, 4);
  EXPECT_EQ(ChooseBudget(snapshot_.sessions[0], Timetable(snapshot_, nothing), kBudgets).budget, 10);
}

TEST_F(BudgetControllerTest, TheFirstChunkIsNotMadeBelowNineTenthsUnlessThatWasAskedFor) {
  Add(10).first_chunk = true;
  EXPECT_EQ(Choose().budget, 9);
  snapshot_.sessions[0].target = snapshot_.sessions[0].budget = 8;
  EXPECT_EQ(Choose().budget, 8) << "asked for";
}

TEST_F(BudgetControllerTest, TheContextPassBeforeTheChunkCountsToo) {
  Add(104).context_owed = true;
  EXPECT_LT(Choose().budget, 10);
}

TEST_F(BudgetControllerTest, AChunkThatWouldMakeAnotherLateIsMadeAtLess) {
  Add(120);
  Add(190, /*budget=*/10, /*floor=*/10);
  EXPECT_EQ(Choose().budget, 10) << "80 and 80 ms, 5 % for luck, 20 ms for decode and encode: 188";
  snapshot_.sessions[1].deadline = kNow + absl::Milliseconds(180);
  EXPECT_EQ(Choose().budget, 9);
  snapshot_.sessions[1].deadline = kNow + absl::Milliseconds(110);
  EXPECT_EQ(Choose().budget, 7) << "is served before it, but leaves too little";
  snapshot_.sessions[1].state = SessionState::kPaused;
  EXPECT_EQ(Choose().budget, 10);
}

TEST_F(BudgetControllerTest, OthersThatAreDueEarlierCount) {
  Add(300);
  EXPECT_EQ(Choose().budget, 10);
  Add(200);
  EXPECT_EQ(Choose().budget, 10) << "80 ms of another, 84 of its own";
  Add(250);
  Add(250);
  EXPECT_EQ(Choose().budget, 7) << "three others do not fit at all";
}

TEST_F(BudgetControllerTest, AnotherThatIsDueManyTimesBeforeCountsAsOften) {
  Add(2000);
  Add(10).chunk_period = absl::Milliseconds(110);  // takes 100 ms of every 110
  EXPECT_LT(Choose().budget, 10);
  snapshot_.sessions[1].chunks_left = 2;
  EXPECT_EQ(Choose().budget, 10) << "it will soon be over";
}

TEST_F(BudgetControllerTest, WhoIsPausedBlockedOrEndingCountsForNothing) {
  for (const SessionState state : {SessionState::kPaused, SessionState::kBlocked, SessionState::kWaiting}) {
    snapshot_.sessions.clear();
    Add(104);
    for (int i = 0; i < 4; ++i) Add(50).state = state;
    EXPECT_EQ(Choose().budget, 10);
  }
  for (SessionView& session : snapshot_.sessions) session.state = SessionState::kGenerating;
  for (size_t i = 1; i < snapshot_.sessions.size(); ++i) snapshot_.sessions[i].ending = true;
  EXPECT_EQ(Choose().budget, 10);
}

TEST_F(BudgetControllerTest, UpIsOneBudgetAfterTwoQuietChunksAndDownIsAtOnce) {
  Add(1000, /*budget=*/7);
  EXPECT_EQ(Choose().budget, 7);
  EXPECT_EQ(Choose().quiet_chunks, 1);
  snapshot_.sessions[0].quiet_chunks = 1;
  EXPECT_EQ(Choose().budget, 8);
  EXPECT_EQ(Choose().quiet_chunks, 0) << "the next one is two chunks away again";
  EXPECT_STREQ(Choose().reason, "the server has room again");
  EXPECT_EQ(Chosen(10, 10), 7);
}

TEST_F(BudgetControllerTest, AChunkThatIsNotQuietBeginsTheCountAgain) {
  Add(85, /*budget=*/7).quiet_chunks = 1;
  EXPECT_EQ(Choose().budget, 7);
  EXPECT_EQ(Choose().quiet_chunks, 0);
}

TEST_F(BudgetControllerTest, AReasonIsGivenForEveryChangeAndForNothingElse) {
  EXPECT_EQ(Chosen(1000), 10);
  EXPECT_STREQ(Choose().reason, "");
  EXPECT_EQ(Chosen(80), 7);
  EXPECT_STREQ(Choose().reason, "the server is busy: chunks at the budget before would be late");
}

TEST_F(BudgetControllerTest, DeadlinesCannotBeMetWhenTheFloorIsTooMuch) {
  Add(77);
  EXPECT_FALSE(Timetable(snapshot_, times_).SomebodyIsLate());
  snapshot_.sessions[0].deadline = kNow + absl::Milliseconds(75);
  EXPECT_TRUE(Timetable(snapshot_, times_).SomebodyIsLate());
  snapshot_.sessions[0].state = SessionState::kPaused;
  EXPECT_FALSE(Timetable(snapshot_, times_).SomebodyIsLate());
}

TEST_F(BudgetControllerTest, TheNeededShareIsThatOfAllAtTheirFloors) {
  Add(0, 10, 7);
  Add(0, 10, 10);
  Add(0).has_playout = false;
  snapshot_.chunk_duration = absl::Milliseconds(750);
  EXPECT_NEAR(*NeededShare(snapshot_, times_, std::nullopt), (76 + 100) / 750.0, 1e-6);
  EXPECT_NEAR(*NeededShare(snapshot_, times_, 10), (76 + 100 + 100) / 750.0, 1e-6);
}

TEST(DegradationTest, ThingsGiveWayStepByStepAndComeBackStepByStep) {
  const auto next = [](Degradation before, double seconds, bool lowered, bool cannot) {
    return NextDegradation(before, kNow, lowered, cannot, kNow + absl::Seconds(seconds));
  };
  EXPECT_EQ(next(Degradation::kNone, 0, false, false), Degradation::kNone);
  EXPECT_EQ(next(Degradation::kNone, 0, true, false), Degradation::kBudgets);
  EXPECT_EQ(next(Degradation::kBudgets, 0, false, false), Degradation::kNone);
  EXPECT_EQ(next(Degradation::kNone, 0, true, true), Degradation::kBudgets);
  EXPECT_EQ(next(Degradation::kBudgets, 0.4, true, true), Degradation::kBudgets);
  EXPECT_EQ(next(Degradation::kBudgets, 0.5, true, true), Degradation::kRunAhead);
  EXPECT_EQ(next(Degradation::kRunAhead, 0.5, true, true), Degradation::kBatch);
  EXPECT_EQ(next(Degradation::kBatch, 0.5, true, true), Degradation::kRefuse);
  EXPECT_EQ(next(Degradation::kRefuse, 9, true, true), Degradation::kRefuse);
  EXPECT_EQ(next(Degradation::kRefuse, 1.9, true, false), Degradation::kRefuse);
  EXPECT_EQ(next(Degradation::kRefuse, 2, true, false), Degradation::kBatch);
  EXPECT_EQ(next(Degradation::kRunAhead, 2, true, false), Degradation::kBudgets);
}

}  // namespace
}  // namespace videodiffcr
