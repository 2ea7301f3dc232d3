// One session at its edges, without threads: what it would do next, what holds it back, what it measures and says.
#include "scheduler/session_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {
namespace {

// Nobody decodes them here.
struct NoLatents final : LatentChunk {
  absl::StatusOr<HalfLatents> CopyToHost() override { return HalfLatents(); }
};

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

SessionRequest Request(int64_t length_chunks) {
  SessionRequest request;
  request.prompt = "a red circle";
  request.length_chunks = length_chunks;
  return request;
}

SessionChange PromptChange(const std::string& prompt) {
  SessionChange change;
  change.prompt = prompt;
  return change;
}

SessionChange SceneCut() {
  SessionChange change;
  change.scene_cut = true;
  return change;
}

SessionChange TargetChange(RetentionTenths target) {
  SessionChange change;
  change.target = target;
  return change;
}

// Fake info: chunks of 9 and 12 frames at 16 per second, 4 passes.
class SessionRecordTest : public ::testing::Test {
 protected:
  void Submit(SessionRequest request) {
    record_ = std::make_unique<SessionRecord>(7, std::move(request), nullptr, info_, &metrics_, now_);
    record_->Wait(now_);
  }
  void Begin(SessionRequest request) {
    Submit(std::move(request));
    record_->Admit(now_);
    record_->Begun();
    while (record_->HasEvents()) record_->TakeEvent();
  }

  SessionView View() { return record_->View(now_); }
  PlannedStep NextStep() { return View().next_step.value_or(PlannedStep{.session = -1}); }

  // One step of ten milliseconds. The last pass brings latents unless the test says otherwise.
  void RunStep(StepOutcome outcome = {}) {
    ASSERT_TRUE(View().next_step.has_value());
    const PlannedStep step = *View().next_step;
    record_->StepBegan(step, ++plan_, now_);
    Advance(absl::Milliseconds(10));
    outcome.elapsed = absl::Milliseconds(10);
    if (step.kind == StepKind::kDenoise && step.step + 1 == info_.denoise_steps && with_latents_) {
      outcome.latents = std::make_unique<NoLatents>();
    }
    record_->StepEnded(step, std::move(outcome), 1, now_);
  }
  // Text, passes and context passes until one more chunk is made.
  void MakeChunk() {
    const int64_t made = View().chunks_made;
    while (View().chunks_made == made) ASSERT_NO_FATAL_FAILURE(RunStep());
  }
  // The oldest chunk in the outbox; what comes before it is lost.
  FinishedChunk TakeChunk() {
    while (record_->HasEvents()) {
      SinkEvent event = record_->TakeEvent();
      if (auto* chunk = std::get_if<FinishedChunk>(&event)) return std::move(*chunk);
    }
    ADD_FAILURE() << "no chunk";
    return {};
  }
  FinishedChunk Deliver(int64_t bytes = 1000) {
    FinishedChunk chunk = TakeChunk();
    EXPECT_TRUE(record_->Decoded(&chunk, now_, absl::ZeroDuration(), now_));
    record_->Delivered(chunk, bytes, std::nullopt, now_);
    return chunk;
  }
  void Advance(absl::Duration duration) { now_ += duration; }

  // The states that wait to be told, other events left out.
  std::vector<SessionState> TakeStates() {
    std::vector<SessionState> states;
    while (record_->HasEvents()) {
      SinkEvent event = record_->TakeEvent();
      if (const auto* state = std::get_if<StateChanged>(&event)) states.push_back(state->state);
    }
    return states;
  }

  ModelInfo info_ = FakeVideoModel::SmallInfo();
  prometheus::Registry registry_;
  SchedulerMetrics metrics_{&registry_, "fake"};
  SchedulerMetrics::ForPriority& standard_ = metrics_.of(PriorityClass::kStandard);
  absl::Time now_ = kStart;
  int64_t plan_ = 0;
  bool with_latents_ = true;
  std::unique_ptr<SessionRecord> record_;
};

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

// --- what it says ---

TEST_F(SessionRecordTest, EveryControlIsAnsweredAtOnce) {
  Begin(Request(0));
  record_->SetTransportBlocked(true, now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kBlocked));
  record_->SetTransportBlocked(false, now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kGenerating));
  record_->Pause(now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kPaused));
  record_->Unpause(now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kGenerating));
  record_->Finish(now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kFinishing));
}

TEST_F(SessionRecordTest, TheLastCreditIsSpentAtTheNextBoundaryAndNewOnesLetItGoOnAtOnce) {
  SessionRequest request = Request(0);
  request.chunk_credits = 1;
  Begin(request);
  RunStep();
  EXPECT_THAT(TakeStates(), IsEmpty()) << "the chunk that was paid for is in progress";
  MakeChunk();
  EXPECT_EQ(View().state, SessionState::kBlocked);
  Deliver();
  record_->AddCredits(1, 0, now_);
  EXPECT_EQ(View().state, SessionState::kGenerating);
}

TEST_F(SessionRecordTest, BytesAreSpentWhenTheChunkHasLeft) {
  SessionRequest request = Request(0);
  request.byte_credits = 1000;
  Begin(request);
  MakeChunk();
  EXPECT_EQ(View().state, SessionState::kGenerating);
  Deliver(1000);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kBlocked));
}

TEST_F(SessionRecordTest, ASessionThatHasMadeItsLastChunkIsFinishingWhateverWouldHoldItBack) {
  Begin(Request(1));
  MakeChunk();
  record_->Pause(now_);
  record_->SetTransportBlocked(true, now_);
  EXPECT_EQ(View().state, SessionState::kFinishing);
}

TEST_F(SessionRecordTest, AFinishOverrulesAPause) {
  Begin(Request(0));
  RunStep();
  record_->Pause(now_);
  record_->Finish(now_);
  EXPECT_EQ(View().state, SessionState::kFinishing);
  EXPECT_TRUE(View().next_step.has_value());
}

TEST_F(SessionRecordTest, APauseHoldsTheLastChunkInTheMiddle) {
  Begin(Request(1));
  RunStep();
  record_->Pause(now_);
  EXPECT_EQ(View().state, SessionState::kPaused);
  EXPECT_EQ(View().next_step, std::nullopt);
}

// --- what it measures ---

TEST_F(SessionRecordTest, AChunkCarriesItsTimesItsPlaceAndItsRetention) {
  Begin(Request(0));
  MakeChunk();
  Deliver();
  RunStep();  // the context pass
  ASSERT_TRUE(record_->Change(PromptChange("a blue square"), now_).ok());
  RunStep();  // the text
  for (int pass = 0; pass < 4; ++pass) {
    StepOutcome rows;
    rows.rows_processed = 30;
    rows.rows_dense = 40;
    rows.past_keys = 6;
    rows.past_keys_whole = 12;
    RunStep(std::move(rows));
  }
  FinishedChunk chunk = TakeChunk();
  Advance(absl::Seconds(2));
  record_->Decoded(&chunk, now_, absl::ZeroDuration(), now_ + absl::Milliseconds(30));
  EXPECT_EQ(chunk.chunk.timings.text, absl::Milliseconds(10));
  EXPECT_EQ(chunk.chunk.timings.denoise, absl::Milliseconds(40));
  EXPECT_EQ(chunk.chunk.timings.context, absl::Milliseconds(10));
  EXPECT_EQ(chunk.chunk.timings.decode, absl::Milliseconds(30));
  EXPECT_EQ(chunk.chunk.first_frame, 9);
  EXPECT_EQ(chunk.presentation_start, absl::Seconds(1) * 9 / 16);
  EXPECT_EQ(chunk.presentation_duration, absl::Seconds(1) * 12 / 16);
  EXPECT_DOUBLE_EQ(chunk.chunk.executed_retention, 0.75);
  EXPECT_DOUBLE_EQ(chunk.chunk.executed_cache, 0.5);
  EXPECT_EQ(chunk.chunk.timings.delivery_queue, absl::Seconds(2));
}

TEST_F(SessionRecordTest, AWaitForTheOthersOfItsPlanIsQueueTime) {
  Begin(Request(1));
  const PlannedStep text = NextStep();
  record_->StepBegan(text, ++plan_, now_);
  Advance(absl::Milliseconds(30));
  StepOutcome outcome;
  outcome.elapsed = absl::Milliseconds(10);
  record_->StepEnded(text, std::move(outcome), /*sessions_in_plan=*/3, now_);
  MakeChunk();
  const FinishedChunk chunk = Deliver();
  EXPECT_EQ(chunk.chunk.timings.text, absl::Milliseconds(10));
  EXPECT_EQ(chunk.chunk.timings.queue, absl::Milliseconds(20));
}

TEST_F(SessionRecordTest, AModelThatCountsNoRowsRanThemAllAndSawTheWholeCache) {
  Begin(Request(0));
  MakeChunk();
  const FinishedChunk chunk = Deliver();
  EXPECT_EQ(chunk.chunk.executed_retention, 1.0);
  EXPECT_EQ(chunk.chunk.executed_cache, 1.0);
}

TEST_F(SessionRecordTest, StepsAndChunksReachTheMetrics) {
  Begin(Request(0));
  MakeChunk();
  Deliver();
  EXPECT_EQ(metrics_.text_encode_seconds->Collect().histogram.sample_count, 1u);
  EXPECT_EQ(metrics_.denoise_step_seconds[0]->Collect().histogram.sample_count, 4u);
  EXPECT_EQ(standard_.retention_ratio_nominal->Collect().histogram.sample_count, 1u);
  EXPECT_EQ(metrics_.decode_seconds->Collect().histogram.sample_count, 1u);
  EXPECT_EQ(standard_.content_seconds_total->Value(), 9.0 / 16);
}

TEST_F(SessionRecordTest, WhatADecodeWaitedForTheLastPassIsDenoisingAndNeitherDecodingNorDelivery) {
  Begin(Request(0));
  MakeChunk();
  FinishedChunk chunk = TakeChunk();
  const absl::Duration denoise = chunk.chunk.timings.denoise;
  const absl::Time denoised = chunk.denoised;
  Advance(absl::Milliseconds(5));
  record_->Decoded(&chunk, now_, absl::Milliseconds(70), now_ + absl::Milliseconds(75));
  EXPECT_EQ(chunk.chunk.timings.denoise, denoise + absl::Milliseconds(70));
  EXPECT_EQ(chunk.chunk.timings.decode, absl::Milliseconds(5));
  EXPECT_EQ(chunk.chunk.timings.delivery_queue, absl::Milliseconds(5));
  EXPECT_EQ(chunk.denoised, denoised + absl::Milliseconds(70));
}

TEST_F(SessionRecordTest, ADecodeWaitedNoLongerForTheLastPassThanItTook) {
  Begin(Request(0));
  MakeChunk();
  FinishedChunk chunk = TakeChunk();
  const absl::Duration denoise = chunk.chunk.timings.denoise;
  record_->Decoded(&chunk, now_, absl::Milliseconds(71), now_ + absl::Milliseconds(70));
  EXPECT_EQ(chunk.chunk.timings.denoise, denoise + absl::Milliseconds(70));
  EXPECT_EQ(chunk.chunk.timings.decode, absl::ZeroDuration());
}

// --- how it ends ---

TEST_F(SessionRecordTest, AStepThatFailsIsNotCountedAsOneThatRan) {
  Begin(Request(0));
  StepOutcome outcome;
  outcome.status = absl::InternalError("NaN");
  RunStep(std::move(outcome));
  EXPECT_TRUE(record_->ShouldEnd());
  EXPECT_EQ(metrics_.text_encode_seconds->Collect().histogram.sample_count, 0u);
}

TEST_F(SessionRecordTest, AModelThatForgetsTheLatentsFailsTheSession) {
  with_latents_ = false;
  Begin(Request(0));
  for (int step = 0; step < 5; ++step) RunStep();
  ASSERT_TRUE(record_->ShouldEnd());
  record_->End(now_);
  const SinkEvent end = record_->TakeEvent();
  EXPECT_EQ(std::get<SessionEnded>(end).status,
            absl::InternalError("denoising pass 3 of chunk 0: the model returned no latents"));
}

TEST_F(SessionRecordTest, ALastPassThatFailsSaysWhyNotThatItsLatentsAreMissing) {
  with_latents_ = false;
  Begin(Request(0));
  for (int step = 0; step < 4; ++step) RunStep();
  StepOutcome outcome;
  outcome.status = absl::InternalError("NaN");
  RunStep(std::move(outcome));
  record_->End(now_);
  EXPECT_EQ(std::get<SessionEnded>(record_->TakeEvent()).status,
            absl::InternalError("denoising pass 3 of chunk 0: NaN"));
}

TEST_F(SessionRecordTest, AContextPassBringsNoLatentsEvenWhereOnePassIsAll) {
  info_.denoise_steps = 1;
  Begin(Request(0));
  MakeChunk();
  EXPECT_EQ(NextStep().kind, StepKind::kContext);
  RunStep();
  EXPECT_FALSE(record_->ShouldEnd());
}

TEST_F(SessionRecordTest, AFailedSessionTakesNoStepAndNoChangeCountsAsFinishingAndEndsOnceItsStepIsOver) {
  Begin(Request(0));
  const PlannedStep step = NextStep();
  record_->StepBegan(step, 1, now_);
  record_->Fail(absl::InternalError("broken"), now_);
  EXPECT_EQ(View().state, SessionState::kFinishing);
  EXPECT_FALSE(record_->ShouldEnd()) << "the model is at work on it";
  EXPECT_EQ(record_->Change(PromptChange("a blue square"), now_).code(), absl::StatusCode::kFailedPrecondition);
  record_->StepEnded(step, StepOutcome(), 1, now_);
  EXPECT_EQ(View().next_step, std::nullopt);
  EXPECT_EQ(View().state, SessionState::kFinishing);
  EXPECT_THAT(TakeStates(), IsEmpty()) << "the end says why";
  EXPECT_TRUE(record_->ShouldEnd());
}

TEST_F(SessionRecordTest, TheFirstReasonToFailStandsAndOnlyACancellationThatCameFirstIsTimedAsOne) {
  Begin(Request(0));
  record_->Fail(absl::InternalError("broken"), now_);
  record_->Cancel(absl::CancelledError("client went away"), now_);
  record_->End(now_);
  EXPECT_EQ(std::get<SessionEnded>(record_->TakeEvent()).status, absl::InternalError("broken"));
  for (prometheus::Histogram* origin : standard_.cancel_latency_seconds) {
    EXPECT_EQ(origin->Collect().histogram.sample_count, 0u);
  }
}

TEST_F(SessionRecordTest, ACancellationWithoutAReasonIsOneAllTheSame) {
  Begin(Request(0));
  record_->Cancel(absl::OkStatus(), now_);
  record_->End(now_);
  EXPECT_EQ(std::get<SessionEnded>(record_->TakeEvent()).status.code(), absl::StatusCode::kCancelled);
}

TEST_F(SessionRecordTest, ASessionThatEndsWellTellsEverythingAndOneThatFailsOnlyItsEnd) {
  Begin(Request(0));
  MakeChunk();
  Deliver();
  record_->Finish(now_);
  ASSERT_TRUE(record_->ShouldEnd());
  EXPECT_THAT(record_->DropOutbox(), IsEmpty());
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kFinishing));

  Begin(Request(0));
  MakeChunk();
  record_->Fail(absl::InternalError("broken"), now_);
  EXPECT_EQ(record_->DropOutbox().size(), 1u);
  EXPECT_FALSE(record_->HasEvents());
}

TEST_F(SessionRecordTest, AnEndGivesTheKvCacheBackAndNothingComesAfterIt) {
  Begin(Request(0));
  EXPECT_EQ(metrics_.kv_cache_bytes_running->Value(), 800);
  record_->Fail(absl::InternalError("broken"), now_);
  record_->End(now_);
  EXPECT_EQ(metrics_.kv_cache_bytes_running->Value(), 0);
  EXPECT_TRUE(std::holds_alternative<SessionEnded>(record_->TakeEvent()));
  record_->Cancel(absl::CancelledError("too late"), now_);
  record_->Drain(now_);
  record_->Pause(now_);
  EXPECT_TRUE(record_->ended());
  EXPECT_FALSE(record_->HasEvents());
}

TEST_F(SessionRecordTest, AChunkOfASessionThatFailedWhileItWasDecodedIsGivenUp) {
  Begin(Request(0));
  MakeChunk();
  FinishedChunk chunk = TakeChunk();
  record_->Fail(absl::InternalError("broken"), now_);
  EXPECT_FALSE(record_->Decoded(&chunk, now_, absl::ZeroDuration(), now_));
}

}  // namespace
}  // namespace videodiffcr
