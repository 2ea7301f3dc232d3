// Stopping: in good order, at a deadline, and in the middle of everything.
#include <atomic>
#include <random>
#include <thread>

#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ShutdownTest = SchedulerTest;

TEST_F(ShutdownTest, DrainEndsSessionsAfterTheChunkInProgressAndRefusesNewOnes) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(1, 0));
  Step(2);
  std::thread drain([&] { scheduler_->Drain(absl::InfiniteFuture()); });
  ASSERT_TRUE(session.log->WaitForEvent("finishing"));
  const auto refused = scheduler_->Submit(Request(2, 1), std::make_unique<RecordingSink>(std::make_shared<SinkLog>()));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  model_.FreePlans();
  drain.join();
  // Drain() has returned, so all is over: no waiting here.
  EXPECT_TRUE(session.log->destroyed());
  EXPECT_THAT(session.log->events(), ElementsAre("finishing", "chunk 0", "ended ABORTED"));
  EXPECT_EQ(model_.live_sessions(), 0);
}

TEST_F(ShutdownTest, DrainTurnsWaitingSessionsAwayAtOnce) {
  model_.HoldPlans();
  config_.max_sessions = 1;
  Start();
  const TestSession running = Submit(Request(1, 0));
  const TestSession waiting = Submit(Request(2, 1));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  std::thread drain([&] { scheduler_->Drain(absl::InfiniteFuture()); });
  ASSERT_TRUE(running.log->WaitForEvent("finishing"));
  model_.FreePlans();
  drain.join();
  EXPECT_EQ(waiting.log->end_status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ShutdownTest, ASessionThatReachesItsLengthWhileDrainingEndsWell) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(1, 1));
  Step(2);
  std::thread drain([&] { scheduler_->Drain(absl::InfiniteFuture()); });
  model_.FreePlans();
  drain.join();
  EXPECT_TRUE(session.log->end_status().ok());
}

TEST_F(ShutdownTest, DrainDoesNotWaitForASessionThatIsPausedOrOutOfCredits) {
  Start();
  SessionRequest request = Request(1, 5);
  request.chunk_credits = 1;
  const TestSession blocked = Submit(request);
  ASSERT_TRUE(blocked.log->WaitForEvent("blocked"));
  const TestSession paused = Submit(Request(2, 0));
  ASSERT_TRUE(scheduler_->Pause(paused.id).ok());
  scheduler_->Drain(absl::InfiniteFuture());
  EXPECT_EQ(blocked.log->end_status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(paused.log->end_status().code(), absl::StatusCode::kAborted);
}

TEST_F(ShutdownTest, DrainWakesAnEngineThatSleeps) {
  Start();
  SessionRequest request = Request(1, 0);
  request.byte_credits = 1;  // spent when chunk 0 is wholly delivered
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  ASSERT_TRUE(model_.WaitForPlansRun(6));
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  scheduler_->Drain(absl::InfiniteFuture());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kAborted);
}

TEST_F(ShutdownTest, AtItsDeadlineDrainFreesTheModelAlthoughADecodeHangs) {
  model_.HoldDecodes();
  Start();
  const TestSession session = Submit(Request(1, 0));
  ASSERT_TRUE(model_.WaitForHeldDecode());
  ASSERT_TRUE(model_.WaitForPlansRun(10));
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  const absl::Time deadline = clock_.Now() + absl::Seconds(20);
  std::thread drain([&] { scheduler_->Drain(deadline); });
  ASSERT_TRUE(clock_.WaitForWaiters(2));
  clock_.Advance(absl::Seconds(20));
  drain.join();
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), ElementsAre("ended ABORTED"));
}

TEST_F(ShutdownTest, AtItsDeadlineDrainCancelsWhatIsLeftAndReturns) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(1, 0));
  Step(2);
  const absl::Time deadline = clock_.Now() + absl::Seconds(20);
  std::thread drain([&] { scheduler_->Drain(deadline); });
  ASSERT_TRUE(session.log->WaitForEvent("finishing"));
  clock_.Advance(absl::Seconds(20));
  drain.join();
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), ElementsAre("finishing", "ended ABORTED"));
  EXPECT_THAT(std::string(session.log->end_status().message()), HasSubstr("had to stop"));
}

TEST_F(ShutdownTest, DestroyingTheSchedulerUnderLoadEndsEverySessionAndTellsEverySink) {
  config_.memory_budget_bytes = 5 * model_.info().session_bytes;
  Start();
  std::vector<TestSession> sessions;
  for (uint64_t seed = 1; seed <= 20; ++seed) sessions.push_back(Submit(Request(seed, 0)));
  ASSERT_TRUE(sessions[0].log->WaitForChunks(3));
  scheduler_.reset();
  for (const TestSession& session : sessions) {
    EXPECT_TRUE(session.log->destroyed());
    EXPECT_EQ(session.log->events().back(), "ended CANCELLED");
  }
  EXPECT_EQ(model_.live_sessions(), 0);
}

TEST_F(ShutdownTest, ASchedulerThatNeverHadASessionStops) {
  Start();
  scheduler_.reset();
}

// Clients of all kinds at once, from several threads; what counts is what TearDown() checks: no rule broken, nothing
// left.
TEST_F(ShutdownTest, ManyClientsThatSubmitChangePauseAndCancelAtRandomLeaveNothingBehind) {
  config_.memory_budget_bytes = 6 * model_.info().session_bytes;
  config_.max_waiting_sessions = 10;
  Start();
  std::atomic<int> ended_well = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      std::mt19937 random(client);
      for (int round = 0; round < 60; ++round) {
        const auto log = std::make_shared<SinkLog>();
        SessionRequest request = Request(client * 1000 + round + 1, 1 + random() % 4);
        request.priority = random() % 2 == 0 ? PriorityClass::kBatch : PriorityClass::kStandard;
        if (random() % 2 == 0) request.playout_start_buffer = absl::Seconds(1);
        if (random() % 3 == 0) request.chunk_credits = 1;
        if (random() % 3 == 0) log->FailChunk(2, absl::InternalError("encoder broke"));
        const auto id = scheduler_->Submit(request, std::make_unique<RecordingSink>(log));
        if (!id.ok()) continue;
        SessionChange change;
        change.prompt = "a blue square";
        change.scene_cut = random() % 2 == 0;
        change.target = 7 + static_cast<int>(random() % 4);
        scheduler_->Change(*id, change).IgnoreError();
        scheduler_->Pause(*id).IgnoreError();
        scheduler_->SetTransportRoom(*id, 0);
        scheduler_->load();
        if (random() % 4 == 0) scheduler_->Cancel(*id, absl::CancelledError("went away"));
        scheduler_->SetTransportRoom(*id, 4);
        scheduler_->Unpause(*id).IgnoreError();
        scheduler_->AddCredits(*id, 10, 0).IgnoreError();
        if (!log->WaitForEnd()) ADD_FAILURE() << "session " << *id << " never ended";
        if (log->calls_overlapped()) ADD_FAILURE() << "calls of one sink overlapped";
        if (log->end_status().ok()) ++ended_well;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(ended_well, 0);
  EXPECT_EQ(scheduler_->load().active_sessions, 0);
  EXPECT_EQ(scheduler_->load().waiting_sessions, 0);
}

}  // namespace
}  // namespace videodiffcr
