// Sessions that only their own client holds back do not keep their places for ever.
#include "scheduler/idleness.h"

#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class IdlenessTest : public SchedulerTest {
 protected:
  IdlenessTest() { config_.idle_timeout = absl::Seconds(60); }
  static SessionRequest WithoutCredits(uint64_t seed) {
    SessionRequest request = Request(seed, 2);
    request.chunk_credits = 0;
    return request;
  }
  // The engine has looked at what there is and waits for the clock.
  void WaitForEngine() { ASSERT_TRUE(clock_.WaitForWaiters(1)); }
};

TEST_F(IdlenessTest, ASessionWithoutCreditsEndsAfterTheIdleTimeAndGivesItsPlaceToTheNext) {
  config_.memory_budget_bytes = model_.info().session_bytes;
  Start();
  const TestSession idle = Submit(WithoutCredits(1));
  const TestSession next = Submit(Request(2, 2));
  ASSERT_TRUE(idle.log->WaitForEvent("blocked"));
  WaitForEngine();
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(scheduler_->load().waiting_sessions, 1);
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(idle.log->WaitForEnd());
  EXPECT_EQ(idle.log->end_status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(IsIdle(idle.log->end_status()));
  EXPECT_THAT(std::string(idle.log->end_status().message()), HasSubstr("idle for 1m (out of chunk credits)"));
  ASSERT_TRUE(next.log->WaitForEnd());
  EXPECT_TRUE(next.log->end_status().ok());
}

TEST_F(IdlenessTest, APausedSessionEndsAfterTheIdleTimeAndCountsAsAborted) {
  Start();
  model_.HoldPlans();
  const TestSession session = Submit(Request(1, 0));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  ASSERT_TRUE(scheduler_->Pause(session.id).ok());
  model_.FreePlans();
  WaitForEngine();
  clock_.Advance(absl::Seconds(60));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(IsIdle(session.log->end_status())) << session.log->end_status();
  EXPECT_THAT(Scrape(),
              HasSubstr("videodiffcr_sessions_total{model=\"fake\",outcome=\"aborted\",priority=\"standard\"} 1"));
}

TEST_F(IdlenessTest, AViewerWhoReadsSlowlyIsNotIdleAndOneWhoHasStoppedIs) {
  Start();
  SessionRequest request = Request(1, 0);
  request.run_ahead_limit_chunks = 1;
  request.playout_start_buffer = absl::ZeroDuration();
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForChunks(2));
  scheduler_->SetTransportRoom(session.id, 0);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  WaitForEngine();
  clock_.Advance(absl::Seconds(40));
  scheduler_->NoteReading(session.id);
  WaitForEngine();
  clock_.Advance(absl::Seconds(40));
  WaitForEngine();
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  clock_.Advance(absl::Seconds(20));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(IsIdle(session.log->end_status())) << session.log->end_status();
}

TEST_F(IdlenessTest, AGrantOfCreditsBeginsTheIdleTimeAnew) {
  Start();
  const TestSession session = Submit(WithoutCredits(1));
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  clock_.Advance(absl::Seconds(59));
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 1, 0).ok());
  ASSERT_TRUE(session.log->WaitForChunks(1));
  WaitForEngine();
  clock_.Advance(absl::Seconds(59));
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 1, 0).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(session.log->end_status().ok()) << session.log->end_status();
}

TEST_F(IdlenessTest, BeforeItEndsItsClientIsToldThatItIsWaitedForAndHasTheGraceToGoOn) {
  config_.idle_grace = absl::Seconds(30);
  Start();
  const TestSession session = Submit(WithoutCredits(1));
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  WaitForEngine();
  clock_.Advance(absl::Seconds(60));
  ASSERT_TRUE(session.log->WaitForEvent("waiting"));
  WaitForEngine();
  clock_.Advance(absl::Seconds(29));
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  EXPECT_EQ(scheduler_->load().waiting_sessions, 0) << "it has its place";
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 1, 0).ok());
  ASSERT_TRUE(session.log->WaitForEvent("blocked", 2));
  WaitForEngine();
  clock_.Advance(absl::Seconds(89));
  ASSERT_TRUE(session.log->WaitForEvent("waiting", 2));
  EXPECT_EQ(scheduler_->load().active_sessions, 1) << "the idle time began anew";
  WaitForEngine();
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(IsIdle(session.log->end_status()));
  EXPECT_THAT(std::string(session.log->end_status().message()), HasSubstr("idle for 1m30s (out of chunk credits)"));
  EXPECT_THAT(session.log->events(),
              ElementsAre("blocked", "waiting", "generating", "chunk 0", "blocked", "waiting", "ended ABORTED"));
}

TEST_F(IdlenessTest, AViewerWhoReadsInTheGraceIsNotWaitedForAnyMore) {
  config_.idle_grace = absl::Seconds(30);
  Start();
  const TestSession session = Submit(Request(1, 0));
  ASSERT_TRUE(session.log->WaitForChunks(1));
  scheduler_->SetTransportRoom(session.id, 0);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  WaitForEngine();
  clock_.Advance(absl::Seconds(60));
  ASSERT_TRUE(session.log->WaitForEvent("waiting"));
  scheduler_->NoteReading(session.id);
  ASSERT_TRUE(session.log->WaitForEvent("blocked", 2));
  WaitForEngine();
  clock_.Advance(absl::Seconds(60));
  ASSERT_TRUE(session.log->WaitForEvent("waiting", 2));
  WaitForEngine();
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  clock_.Advance(absl::Seconds(30));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(IsIdle(session.log->end_status())) << session.log->end_status();
}

// It is the server that lets these wait.
TEST_F(IdlenessTest, NeitherAWaitForMemoryNorTheRunAheadLimitIsIdleness) {
  config_.memory_budget_bytes = model_.info().session_bytes;
  Start();
  SessionRequest ahead = Request(1, 0);
  ahead.run_ahead_limit_chunks = 1;
  ahead.playout_start_buffer = absl::Minutes(1);
  const TestSession running = Submit(ahead), waiting = Submit(Request(2, 1));
  ASSERT_TRUE(running.log->WaitForChunks(1));
  WaitForEngine();
  clock_.Advance(absl::Seconds(59));
  clock_.Advance(absl::Seconds(30));
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  EXPECT_EQ(scheduler_->load().waiting_sessions, 1);
  scheduler_->Cancel(running.id, absl::CancelledError("enough"));
  ASSERT_TRUE(waiting.log->WaitForEnd());
  EXPECT_TRUE(waiting.log->end_status().ok());
}

TEST_F(IdlenessTest, ASessionThatItsSinkHoldsIsBlockedUntilThenAndNotIdle) {
  Start();
  model_.HoldPlans();
  const TestSession session = Submit(Request(1, 20));
  session.log->SetHold(ChunkHold{clock_.Now() + absl::Seconds(90), "not so fast"});
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  WaitForEngine();
  const size_t before = session.log->chunks().size();
  EXPECT_LT(before, 5u) << "what had begun when the first one was taken";
  session.log->SetHold(std::nullopt);
  clock_.Advance(absl::Seconds(89));
  WaitForEngine();
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  EXPECT_EQ(session.log->chunks().size(), before);
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(session.log->end_status().ok()) << session.log->end_status();
  EXPECT_EQ(session.log->chunks().size(), 20u);
}

TEST_F(IdlenessTest, WithoutAnIdleTimeASessionKeepsItsPlace) {
  config_.idle_timeout = absl::ZeroDuration();
  config_.session_lifetime = absl::ZeroDuration();
  Start();
  const TestSession session = Submit(WithoutCredits(1));
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  WaitForEngine();
  clock_.Advance(absl::Hours(24));
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 2, 0).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(session.log->end_status().ok()) << session.log->end_status();
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1));
}

TEST_F(IdlenessTest, ASessionThatIsAsOldAsItMayBeEndsAfterItsChunkInProgress) {
  config_.idle_timeout = absl::ZeroDuration();
  config_.session_lifetime = absl::Minutes(5);
  Start();
  SessionRequest request = Request(1, 0);
  request.chunk_credits = 1;
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  WaitForEngine();
  clock_.Advance(absl::Minutes(5) - absl::Seconds(1));
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  model_.HoldPlans();
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 10, 0).ok());
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  clock_.Advance(absl::Seconds(1));
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(IsLifetimeOver(session.log->end_status())) << session.log->end_status();
  EXPECT_EQ(session.log->chunks().size(), 2u) << "the chunk in progress was finished";
}

}  // namespace
}  // namespace videodiffcr
