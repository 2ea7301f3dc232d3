// One session at its edges: what it would do next, and what holds it back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scheduler/session_record_fixture.h"

namespace videodiffcr {
namespace {

// --- what it would do next ---

TEST_F(SessionRecordTest, ASessionHasNoStepBeforeItIsAdmittedAndBegunNorWhileOneRuns) {
  Submit(Request(2));
  EXPECT_EQ(View().next_step, std::nullopt);
  record_->Admit(now_);
  EXPECT_EQ(View().next_step, std::nullopt);
  record_->Begun();
  const std::optional<PlannedStep> step = View().next_step;
  ASSERT_TRUE(step.has_value());
  record_->StepBegan(*step, 1, now_);
  EXPECT_EQ(View().next_step, std::nullopt);
}

TEST_F(SessionRecordTest, TheFirstStepEncodesThePromptAndTheFirstPassAfterItStartsTheScene) {
  Begin(Request(2));
  EXPECT_EQ(NextStep().kind, StepKind::kText);
  EXPECT_EQ(*NextStep().prompt, "a red circle");
  RunStep();
  EXPECT_EQ(NextStep().kind, StepKind::kDenoise);
  EXPECT_EQ(NextStep().prompt, nullptr);
  EXPECT_TRUE(NextStep().scene_start);
  RunStep();
  EXPECT_EQ(NextStep().step, 1);
  EXPECT_FALSE(NextStep().scene_start);
}

TEST_F(SessionRecordTest, ASceneCutWithANewPromptEncodesItBeforeThePassThatStartsTheScene) {
  Begin(Request(0));
  MakeChunk();
  Deliver();
  SessionChange change = SceneCut();
  change.prompt = "a blue square";
  ASSERT_TRUE(record_->Change(change, now_).ok());
  RunStep();  // the context pass
  EXPECT_EQ(NextStep().kind, StepKind::kText);
  EXPECT_EQ(*NextStep().prompt, "a blue square");
  EXPECT_FALSE(NextStep().scene_start);
  RunStep();
  EXPECT_EQ(NextStep().kind, StepKind::kDenoise);
  EXPECT_TRUE(NextStep().scene_start);
}

TEST_F(SessionRecordTest, ChangesForOneBoundaryAreMergedAndNoneUndoesAnother) {
  Begin(Request(0));
  MakeChunk();
  Deliver();
  ASSERT_TRUE(record_->Change(PromptChange("a blue square"), now_).ok());
  ASSERT_TRUE(record_->Change(SceneCut(), now_).ok());
  ASSERT_TRUE(record_->Change(TargetChange(7), now_).ok());
  RunStep();  // the context pass
  EXPECT_EQ(*NextStep().prompt, "a blue square");
  EXPECT_EQ(NextStep().budget, 7);
  RunStep();
  EXPECT_TRUE(NextStep().scene_start);
}

TEST_F(SessionRecordTest, TheContextPassRunsAtTheBudgetInForce) {
  SessionRequest request = Request(0);
  request.target = 8;
  Begin(request);
  MakeChunk();
  EXPECT_EQ(NextStep().kind, StepKind::kContext);
  EXPECT_EQ(NextStep().budget, 8);
}

TEST_F(SessionRecordTest, AFloorThatNobodyAskedForIsTheTargetAlsoOnceThatIsRaised) {
  for (const bool asked_for : {false, true}) {
    SessionRequest request = Request(0);
    request.target = request.floor = 7;
    request.floor_follows_target = !asked_for;
    Begin(request);
    EXPECT_EQ(View().floor, 7);
    ASSERT_TRUE(record_->Change(TargetChange(9), now_).ok());
    EXPECT_EQ(View().target, 9);
    EXPECT_EQ(View().floor, asked_for ? 7 : 9);
  }
}

TEST_F(SessionRecordTest, ABudgetThatIsInForceAlreadyIsNoChange) {
  Begin(Request(0));
  SessionChange change = TargetChange(kDenseTenths);
  change.update_id = 3;
  ASSERT_TRUE(record_->Change(change, now_).ok());
  RunStep();
  EXPECT_EQ(std::get<UpdateApplied>(record_->TakeEvent()).update_id, 3);
  EXPECT_FALSE(record_->HasEvents());
  EXPECT_EQ(standard_.retention_raised_total[0]->Value() + standard_.retention_lowered_total[0]->Value(), 0);
}

TEST_F(SessionRecordTest, WhatThePoliciesSeeFollowsTheSession) {
  SessionRequest request = Request(3);
  request.priority = PriorityClass::kBatch;
  request.chunk_credits = 5;
  Begin(request);
  EXPECT_EQ(View().priority, PriorityClass::kBatch);
  EXPECT_EQ(View().submitted, kStart);
  EXPECT_TRUE(View().first_chunk);
  EXPECT_EQ(View().last_plan, 0);
  EXPECT_EQ(View().chunks_left, 3);
  RunStep();
  EXPECT_EQ(View().chunk_credits, 4);
  EXPECT_TRUE(View().first_chunk) << "until it is made";
  MakeChunk();
  EXPECT_FALSE(View().first_chunk);
  EXPECT_EQ(View().last_plan, 5);
  EXPECT_EQ(View().chunks_left, 2);
  EXPECT_EQ(View().chunks_made, 1);
  EXPECT_EQ(View().chunks_in_delivery, 1);
  EXPECT_EQ(View().chunks_undecoded, 1);
  EXPECT_EQ(View().chunks_delivered, 0);
  Deliver();
  EXPECT_EQ(View().chunks_in_delivery, 0);
  EXPECT_EQ(View().chunks_undecoded, 0);
  EXPECT_EQ(View().chunks_delivered, 1);
}

TEST_F(SessionRecordTest, ASessionWithoutALengthDoesNotSayWhatIsLeftUntilItIsToStop) {
  Begin(Request(0));
  EXPECT_EQ(View().chunks_left, std::nullopt);
  RunStep();
  record_->Finish(now_);
  EXPECT_EQ(View().chunks_left, 1);
  MakeChunk();
  EXPECT_EQ(View().chunks_left, 0);
}

TEST_F(SessionRecordTest, WorkOnAChunkBeganWhenTheChunkBeforeItWasMade) {
  Begin(Request(0));
  Advance(absl::Seconds(3));
  EXPECT_EQ(View().work_began, kStart) << "it waits for the engine";
  RunStep();
  EXPECT_EQ(View().work_began, kStart);
  MakeChunk();
  const absl::Time made = now_;
  EXPECT_EQ(Deliver().chunk.work_began, kStart);
  Advance(absl::Seconds(3));
  EXPECT_EQ(View().work_began, made);
  RunStep();  // the context pass
  const absl::Time context_ended = now_;
  EXPECT_EQ(View().work_began, made);
  MakeChunk();
  EXPECT_EQ(Deliver().chunk.work_began, context_ended) << "for the viewer it began when it could be denoised";
}

TEST_F(SessionRecordTest, ADeadlineIsThatOfTheChunkInProgressOrElseOfTheNextOne) {
  SessionRequest request = Request(0);
  request.playout_start_buffer = absl::Seconds(2);
  Begin(request);
  MakeChunk();
  EXPECT_EQ(View().deadline, std::nullopt) << "the first chunk starts the clock";
  Deliver();
  const absl::Time second = now_ + absl::Seconds(2) + absl::Seconds(1) * 9 / 16;
  EXPECT_EQ(View().deadline, second);
  RunStep();  // the context pass
  RunStep();  // the first pass of chunk 1
  EXPECT_EQ(View().deadline, second);
  MakeChunk();
  EXPECT_EQ(View().deadline, second + absl::Seconds(1) * 12 / 16);
}

TEST_F(SessionRecordTest, WithoutPlayoutThereAreNoDeadlinesAlthoughTheRunAheadClockRuns) {
  SessionRequest request = Request(0);
  request.run_ahead_limit_chunks = 2;
  Begin(request);
  MakeChunk();
  EXPECT_EQ(Deliver().chunk.deadline, std::nullopt);
  EXPECT_EQ(View().deadline, std::nullopt);
}

TEST_F(SessionRecordTest, AtTheRunAheadLimitItIsReadyWhenTheClockSaysSoAndTheChunkCountsNoQueueTime) {
  SessionRequest request = Request(0);
  request.run_ahead_limit_chunks = 1;
  Begin(request);
  MakeChunk();
  Deliver();
  MakeChunk();
  Deliver();
  RunStep();  // the context pass
  EXPECT_EQ(View().next_step, std::nullopt);
  const std::optional<absl::Time> ready = View().ready_at;
  ASSERT_TRUE(ready.has_value());
  now_ = *ready;
  EXPECT_EQ(View().work_began, now_);
  MakeChunk();
  EXPECT_EQ(Deliver().chunk.timings.queue, absl::ZeroDuration());
}

// Every snapshot asks what it would do next, so a pause must not wear down what is ahead of the viewer.
TEST_F(SessionRecordTest, APauseGivesNoRoomUnderTheRunAheadLimitHoweverOftenItIsLookedAt) {
  BeginAndStopAtARunAheadLimitOfTwo();
  RunStep();  // the context pass
  ASSERT_EQ(View().next_step, std::nullopt);
  const absl::Time ready = *View().ready_at;
  record_->Pause(now_);
  for (int second = 0; second < 60; ++second) {
    Advance(absl::Seconds(1));
    EXPECT_EQ(View().ready_at, absl::InfiniteFuture());
  }
  record_->Unpause(now_);
  EXPECT_EQ(View().next_step, std::nullopt);
  EXPECT_EQ(View().ready_at, ready + absl::Minutes(1));
}

TEST_F(SessionRecordTest, WhatAnotherServerHasMadeAheadOfTheViewerCountsUnderTheRunAheadLimit) {
  SessionRequest request = BeginAndStopAtARunAheadLimitOfTwo();
  const std::optional<absl::Time> ready = View().ready_at;
  auto before = std::make_shared<Continuation>();
  before->chunks = 3;
  before->frames = 9 + 12 + 12;
  before->due = record_->OutstandingFrom(3, absl::Seconds(1) * before->frames / 16, now_).due;
  ASSERT_TRUE(before->due.has_value()) << "the clock runs without playout, too";
  request.continuation = before;
  Begin(request);
  EXPECT_EQ(View().next_step, std::nullopt);
  EXPECT_EQ(View().ready_at, ready);
}

// --- what holds it back ---

TEST_F(SessionRecordTest, ASceneCutWaitsUntilTheChunksBeforeItAreDecodedAndThatIsNoQueueTime) {
  Begin(Request(0));
  MakeChunk();
  RunStep();  // the context pass
  ASSERT_TRUE(View().next_step.has_value());
  ASSERT_TRUE(record_->Change(SceneCut(), now_).ok());
  EXPECT_EQ(View().next_step, std::nullopt);
  Advance(absl::Seconds(5));
  FinishedChunk chunk = TakeChunk();
  record_->Decoded(&chunk, now_, absl::ZeroDuration(), now_);
  EXPECT_EQ(NextStep().kind, StepKind::kDenoise) << "before it is encoded";
  Advance(absl::Seconds(1));
  EXPECT_EQ(View().work_began, now_ - absl::Seconds(1));
  record_->Delivered(chunk, 1000, std::nullopt, now_);
  MakeChunk();
  EXPECT_EQ(Deliver().chunk.timings.queue, absl::Seconds(1));
}

TEST_F(SessionRecordTest, NeitherTheWaitForAdmissionNorAPauseIsQueueTimeOrWorkOfAChunk) {
  Submit(Request(0));
  Advance(absl::Seconds(5));
  record_->Admit(now_);
  record_->Begun();
  EXPECT_EQ(View().work_began, now_);
  record_->Pause(now_);
  Advance(absl::Seconds(7));
  record_->Unpause(now_);
  const absl::Time unpaused = now_;
  Advance(absl::Seconds(2));
  MakeChunk();
  const FinishedChunk chunk = Deliver();
  EXPECT_EQ(chunk.chunk.work_began, unpaused);
  EXPECT_EQ(chunk.chunk.timings.queue, absl::Seconds(2));
  EXPECT_EQ(standard_.queue_time_seconds[0]->Collect().histogram.sample_sum, 5);
}

TEST_F(SessionRecordTest, QueueTimeBeginsWithAdmission) {
  Submit(Request(0));
  Advance(absl::Seconds(5));
  record_->Admit(now_);
  record_->Begun();
  Advance(absl::Seconds(1));
  MakeChunk();
  EXPECT_EQ(Deliver().chunk.timings.queue, absl::Seconds(1));
}

TEST_F(SessionRecordTest, ASecondPauseDoesNotShortenTheFirstAndAnUnpauseOutOfTurnMovesNothing) {
  SessionRequest request = Request(0);
  request.playout_start_buffer = absl::Minutes(1);
  Begin(request);
  MakeChunk();
  Deliver();
  const absl::Time due = *View().deadline;
  record_->Unpause(now_);
  EXPECT_EQ(View().deadline, due);
  record_->Pause(now_);
  Advance(absl::Seconds(3));
  record_->Pause(now_);
  Advance(absl::Seconds(2));
  record_->Unpause(now_);
  EXPECT_EQ(View().deadline, due + absl::Seconds(5));
}

TEST_F(SessionRecordTest, OnlyASessionThatItsOwnClientHeldBackPastItsDeadlineStartsItsClockAnew) {
  SessionRequest request = Request(0);
  request.playout_start_buffer = absl::ZeroDuration();
  Begin(request);
  MakeChunk();
  Deliver();
  const absl::Time due = *View().deadline;
  now_ = due + absl::Seconds(1);  // late, by our own fault
  record_->Finish(now_);
  EXPECT_EQ(View().deadline, due);
}

TEST_F(SessionRecordTest, ASessionWithoutPlayoutMayBeHeldBackForAsLongAsItsClientLikes) {
  SessionRequest request = Request(0);
  request.chunk_credits = 0;
  Begin(request);
  Advance(absl::Hours(1));
  record_->AddCredits(1, 0, now_);
  EXPECT_EQ(View().state, SessionState::kGenerating);
}

}  // namespace
}  // namespace videodiffcr
