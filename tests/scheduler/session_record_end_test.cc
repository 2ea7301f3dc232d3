// One session at its edges: how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>

#include "tests/scheduler/session_record_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
