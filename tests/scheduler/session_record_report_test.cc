// One session at its edges: what it says, and what it measures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scheduler/session_record_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// --- what it says ---

TEST_F(SessionRecordTest, EveryControlIsAnsweredAtOnce) {
  Begin(Request(0));
  record_->SetTransportRoom(0, now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kBlocked));
  record_->SetTransportRoom(4, now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kGenerating));
  record_->Pause(now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kPaused));
  record_->Unpause(now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kGenerating));
  record_->Finish(now_);
  EXPECT_THAT(TakeStates(), ElementsAre(SessionState::kFinishing));
}

// Three chunks wait for a viewer whose connection holds four: the fourth is made, and no fifth beside it.
TEST_F(SessionRecordTest, NoChunkIsStartedForWhichThoseInTheMakingLeaveNoRoom) {
  Begin(Request(0));
  record_->SetTransportRoom(1, now_);
  MakeChunk();
  ASSERT_EQ(NextStep().kind, StepKind::kContext);
  RunStep();
  EXPECT_FALSE(View().next_step.has_value());
  EXPECT_EQ(View().state, SessionState::kGenerating) << "the chunk is on its way";
  FinishedChunk chunk = TakeChunk();
  ASSERT_TRUE(record_->Decoded(&chunk, now_, absl::ZeroDuration(), now_));
  EXPECT_FALSE(View().next_step.has_value()) << "it is still to be encoded";
  record_->SetTransportRoom(0, now_);
  record_->Delivered(chunk, 1000, std::nullopt, now_);
  EXPECT_EQ(View().state, SessionState::kBlocked);
  record_->SetTransportRoom(2, now_);
  EXPECT_TRUE(View().next_step.has_value());
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
  record_->SetTransportRoom(0, now_);
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

}  // namespace
}  // namespace videodiffcr
