// Deadlines and timings of whole sessions, under a clock that only the test moves.
#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

class PlayoutTest : public SchedulerTest {
 protected:
  SessionRequest PlayoutRequest(uint64_t seed, int64_t length_chunks, absl::Duration start_buffer) {
    SessionRequest request = Request(seed, length_chunks);
    request.playout_start_buffer = start_buffer;
    return request;
  }

  // A session that stops after chunk 0, which is wholly delivered when this returns: the byte credits that it spends
  // say so.
  TestSession SubmitAndStopAfterTheFirstChunk(SessionRequest request) {
    request.byte_credits = 1;
    const TestSession session = Submit(request);
    EXPECT_TRUE(session.log->WaitForEvent("blocked"));
    return session;
  }
  void LetGoOn(const TestSession& session) { EXPECT_TRUE(scheduler_->AddCredits(session.id, 0, 1'000'000).ok()); }
};

TEST_F(PlayoutTest, TheFirstChunkHasNoDeadlineAndLaterOnesFollowThePresentation) {
  Start();
  const absl::Time start = clock_.Now();
  const TestSession session = Submit(PlayoutRequest(1, 3, absl::Seconds(2)));
  ASSERT_TRUE(session.log->WaitForEnd());
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_EQ(chunks[0].deadline, std::nullopt);
  EXPECT_EQ(chunks[1].deadline, start + absl::Seconds(2) + absl::Seconds(1) * 9 / 16);
  EXPECT_EQ(chunks[2].deadline, start + absl::Seconds(2) + absl::Seconds(1) * 21 / 16);
}

TEST_F(PlayoutTest, ASessionWithoutPlayoutHasNoDeadlines) {
  Start();
  const TestSession session = Submit(Request(1, 3));
  ASSERT_TRUE(session.log->WaitForEnd());
  for (const GeneratedChunk& chunk : session.log->chunks()) EXPECT_EQ(chunk.deadline, std::nullopt);
}

TEST_F(PlayoutTest, AChunkThatTheModelMadeTooSlowlyIsAMissByCompute) {
  Start();
  const TestSession session = SubmitAndStopAfterTheFirstChunk(PlayoutRequest(1, 2, absl::ZeroDuration()));
  ASSERT_TRUE(model_.WaitForPlansRun(6));  // the context pass of chunk 0, too
  model_.SetStepTime(absl::Milliseconds(500));
  model_.SetPlanHook([this](const StepPlan&) { clock_.Advance(absl::Milliseconds(500)); });
  LetGoOn(session);
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_chunk_deadline_misses_total{model=\"fake\",cause=\"compute\",priority="
                                  "\"standard\"} 1"));
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_chunk_slack_seconds_count{model=\"fake\",priority=\"standard\"} 1"));
}

TEST_F(PlayoutTest, APauseMovesTheDeadlinesByItsLength) {
  Start();
  const absl::Time start = clock_.Now();
  const TestSession session = SubmitAndStopAfterTheFirstChunk(PlayoutRequest(1, 2, absl::ZeroDuration()));
  ASSERT_TRUE(scheduler_->Pause(session.id).ok());
  clock_.Advance(absl::Minutes(5));
  ASSERT_TRUE(scheduler_->Unpause(session.id).ok());
  LetGoOn(session);
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->chunks()[1].deadline, start + absl::Minutes(5) + absl::Seconds(1) * 9 / 16);
}

// Else a client could hold its credits back for minutes and then have the engine to itself until it had caught up.
TEST_F(PlayoutTest, ASessionHeldBackByItsOwnClientPastItsDeadlineStartsItsClockAnew) {
  Start();
  const TestSession session = SubmitAndStopAfterTheFirstChunk(PlayoutRequest(1, 3, absl::Seconds(1)));
  clock_.Advance(absl::Minutes(5));
  const absl::Time resumed = clock_.Now();
  LetGoOn(session);
  ASSERT_TRUE(session.log->WaitForEnd());
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_EQ(chunks[1].deadline, std::nullopt);
  EXPECT_EQ(chunks[2].deadline, resumed + absl::Seconds(1) + absl::Seconds(1) * 12 / 16);
}

// Passes take 1 ms here: only what the first delivery took says that the second chunk will be late at any budget.
TEST_F(PlayoutTest, WhatADeliveryTookLowersTheBudgetOfTheNextChunk) {
  model_.HoldDecodes();
  Start();
  SessionRequest request = PlayoutRequest(1, 2, absl::ZeroDuration());
  request.floor = 7;
  request.byte_credits = 1;
  const TestSession session = Submit(request);
  ASSERT_TRUE(model_.WaitForHeldDecode());
  clock_.Advance(absl::Milliseconds(900));  // a chunk plays for 750
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  LetGoOn(session);
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->chunks()[0].nominal, 10);
  EXPECT_EQ(session.log->chunks()[1].nominal, 7);
}

TEST_F(PlayoutTest, TimingsSayWhereTheTimeOfAChunkWent) {
  model_.SetStepTime(absl::Milliseconds(10));
  model_.SetPlanHook([this](const StepPlan&) { clock_.Advance(absl::Milliseconds(10)); });
  Start();
  const TestSession session = Submit(Request(1, 2));
  ASSERT_TRUE(session.log->WaitForEnd());
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_EQ(chunks[0].timings.text, absl::Milliseconds(10));
  EXPECT_EQ(chunks[0].timings.denoise, absl::Milliseconds(40));
  EXPECT_EQ(chunks[0].timings.context, absl::ZeroDuration());
  EXPECT_EQ(chunks[0].timings.queue, absl::ZeroDuration());
  EXPECT_EQ(chunks[1].timings.text, absl::ZeroDuration());
  EXPECT_EQ(chunks[1].timings.denoise, absl::Milliseconds(40));
  EXPECT_EQ(chunks[1].timings.context, absl::Milliseconds(10));
}

TEST_F(PlayoutTest, WhatADecodeWaitsForTheLastPassIsDenoisingTime) {
  model_.SetStepTime(absl::Milliseconds(10));
  model_.SetLatentsWait(absl::Milliseconds(70));
  model_.HoldDecodes();
  Start();
  const TestSession session = Submit(Request(1, 1));
  ASSERT_TRUE(model_.WaitForHeldDecode());
  clock_.Advance(absl::Milliseconds(100));
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForEnd());
  const ChunkTimings timings = session.log->chunks()[0].timings;
  EXPECT_EQ(timings.denoise, absl::Milliseconds(110));
  EXPECT_EQ(timings.decode, absl::Milliseconds(30));
}

TEST_F(PlayoutTest, AChunksTimeBeginsWhenTheContextPassBeforeItIsDone) {
  model_.SetPlanHook([this](const StepPlan&) { clock_.Advance(absl::Milliseconds(10)); });
  Start();
  const absl::Time start = clock_.Now();
  const TestSession session = Submit(Request(1, 2));  // text, four passes, context pass, four passes
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->chunks()[0].work_began, start);
  EXPECT_EQ(session.log->chunks()[1].work_began, start + absl::Milliseconds(60));
}

TEST_F(PlayoutTest, AChunkWaitsInTheDeliveryQueueWhileTheOneBeforeItIsDecoded) {
  model_.HoldPlans();
  model_.HoldDecodes();
  Start();
  const TestSession session = Submit(Request(1, 0));
  Step(10);  // chunk 1 is denoised: its context pass stands at the gate
  clock_.Advance(absl::Milliseconds(300));
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForChunks(2));
  EXPECT_EQ(session.log->chunks()[1].timings.delivery_queue, absl::Milliseconds(300));
}

TEST_F(PlayoutTest, TheWaitOfAContextPassForTheEngineIsToldApartFromTheChunksOwn) {
  config_.max_sessions_per_plan = 1;
  config_.policy = SchedulingPolicy::kRoundRobin;
  model_.SetPlanHook([this](const StepPlan&) { clock_.Advance(absl::Milliseconds(10)); });
  model_.SetStepTime(absl::Milliseconds(10));
  model_.HoldPlans();
  Start();
  const TestSession first = Submit(Request(1, 2));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  Submit(Request(2, 2));
  model_.FreePlans();
  ASSERT_TRUE(first.log->WaitForEnd());
  const ChunkTimings timings = first.log->chunks()[1].timings;
  EXPECT_EQ(timings.context_queue, absl::Milliseconds(10));
  EXPECT_EQ(timings.queue, absl::Milliseconds(40));
}

TEST_F(PlayoutTest, TimeSpentWaitingForTheEngineIsQueueTime) {
  config_.max_sessions_per_plan = 1;
  config_.policy = SchedulingPolicy::kFirstInFirstOut;
  model_.HoldPlans();
  Start();
  Submit(Request(1, 1));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  const TestSession session = Submit(Request(2, 1));
  clock_.Advance(absl::Milliseconds(300));
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->chunks()[0].timings.queue, absl::Milliseconds(300));
}

TEST_F(PlayoutTest, TheLoadSaysHowLongChunksTakeFromFirstPassToFrames) {
  model_.SetPlanHook([this](const StepPlan&) { clock_.Advance(absl::Milliseconds(10)); });
  Start();
  EXPECT_EQ(scheduler_->load().measured_chunk_period, std::nullopt);
  const TestSession session = Submit(Request(1, 1));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(scheduler_->load().measured_chunk_period, absl::Milliseconds(50));
}

}  // namespace
}  // namespace videodiffcr
