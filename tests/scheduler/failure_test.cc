// What goes wrong in one session stays there.
#include "scheduler/model_loss.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FailureTest : public SchedulerTest {
 protected:
  // Two neighbours of seeds 2 and 3 beside the failing session of seed 1; they must end well, frame for frame.
  void SubmitNeighbours() {
    for (uint64_t seed = 2; seed <= 3; ++seed) neighbours_.push_back(Submit(Request(seed, 4)));
  }
  void ExpectNeighboursUntouched() {
    for (size_t i = 0; i < neighbours_.size(); ++i) {
      ASSERT_TRUE(neighbours_[i].log->WaitForEnd());
      EXPECT_TRUE(neighbours_[i].log->end_status().ok());
      const std::vector<GeneratedChunk> chunks = neighbours_[i].log->chunks();
      ASSERT_EQ(chunks.size(), 4u);
      for (const GeneratedChunk& chunk : chunks) EXPECT_EQ(ReadFrameIdentity(chunk.frames, 0).seed, i + 2);
    }
  }
  std::vector<TestSession> neighbours_;
};

TEST_F(FailureTest, AFailedPassEndsItsSessionWithThatStatusAndNamesThePass) {
  model_.FailStep(1, StepKind::kDenoise, 1, 2, absl::InternalError("NaN in the output"));
  Start();
  const TestSession session = Submit(Request(1, 4));
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status(), absl::InternalError("denoising pass 2 of chunk 1: NaN in the output"));
  EXPECT_EQ(session.log->totals().reason, "");
  ExpectNeighboursUntouched();
  EXPECT_THAT(Scrape(),
              HasSubstr("videodiffcr_sessions_total{model=\"fake\",outcome=\"failed\",priority=\"standard\"} 1"));
}

TEST_F(FailureTest, AnAllocationThatFailsInAPassTouchesOnlyThatSession) {
  model_.FailStep(1, StepKind::kContext, 0, 0, absl::ResourceExhaustedError("out of memory"));
  Start();
  const TestSession session = Submit(Request(1, 4));
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kResourceExhausted);
  ExpectNeighboursUntouched();
}

TEST_F(FailureTest, AChunkThatMemoryWasShortForIsMadeAgainAtTheNextLowerBudgetAndTheNextOneAtTheClientsOwn) {
  model_.FailStep(1, StepKind::kDenoise, 1, 2, absl::ResourceExhaustedError("out of memory"), /*times=*/1);
  Start();
  SessionRequest request = Request(1, 3);
  request.floor = 8;
  const TestSession session = Submit(request);
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(session.log->end_status().ok()) << session.log->end_status();
  EXPECT_THAT(session.log->events(),
              ElementsAre("chunk 0", "budget 0.9 from chunk 1 by server", "chunk 1", "budget 1 from chunk 2 by server",
                          "finishing", "chunk 2", "ended OK LENGTH_REACHED"));
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_EQ(chunks[1].nominal, 9);
  EXPECT_EQ(chunks[1].executed_retention, 0.9) << "passes that were given up do not count";
  EXPECT_EQ(chunks[2].nominal, 10);
  std::vector<RetentionTenths> context_passes;
  for (const std::vector<ObservedStep>& plan : model_.plans()) {
    for (const ObservedStep& step : plan) {
      const bool is_context_pass = step.seed == 1 && step.step.kind == StepKind::kContext;
      if (is_context_pass) context_passes.push_back(step.step.budget);
    }
  }
  EXPECT_THAT(context_passes, ElementsAre(10, 9)) << "what stays in the cache is up to the chunk's own budget";
  ExpectNeighboursUntouched();
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_retention_changes_total{model=\"fake\",direction=\"down\",priority="
                                  "\"standard\",reason=\"memory\"} 1"));
}

TEST_F(FailureTest, WhereNoLowerBudgetIsAllowedTheSameIsTriedOnceMoreWhateverTheStep) {
  const absl::Status short_of_memory = absl::ResourceExhaustedError("out of memory");
  model_.FailBegin(1, short_of_memory, 1);
  model_.FailStep(1, StepKind::kText, 0, 0, short_of_memory, 1);
  model_.FailStep(1, StepKind::kContext, 0, 0, short_of_memory, 1);
  model_.FailStep(1, StepKind::kDenoise, 2, 0, short_of_memory, 1);
  Start();
  const TestSession session = Submit(Request(1, 3));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(session.log->end_status().ok()) << session.log->end_status();
  for (const GeneratedChunk& chunk : session.log->chunks()) {
    EXPECT_EQ(chunk.nominal, 10);
    EXPECT_EQ(ReadFrameIdentity(chunk.frames, 0).prompt_hash, HashPrompt("a red circle"));
  }
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1, 2));
}

TEST_F(FailureTest, AChunkIsTriedTwiceAndNotMoreAndTheErrorCarriesAWait) {
  model_.FailStep(1, StepKind::kDenoise, 1, 0, absl::ResourceExhaustedError("out of memory"), 1);
  model_.FailStep(1, StepKind::kDenoise, 1, 3, absl::ResourceExhaustedError("out of memory"), 1);
  Start();
  SessionRequest request = Request(1, 3);
  request.floor = 7;
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(std::string(session.log->end_status().message()), "denoising pass 3 of chunk 1: out of memory");
  EXPECT_TRUE(RetryAfter(session.log->end_status()).has_value());
}

TEST_F(FailureTest, ASessionWhoseMemoryIsNotToBeHadAfterAllEndsWithAWaitAndIsCounted) {
  model_.FailBegin(1, absl::ResourceExhaustedError("2 GiB were not to be had"));
  Start();
  const TestSession session = Submit(Request(1, 4));
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfter(session.log->end_status()), absl::Seconds(10));
  EXPECT_THAT(session.log->events(), ElementsAre("ended RESOURCE_EXHAUSTED"));
  ExpectNeighboursUntouched();
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_admission_rejections_total{model=\"fake\",priority=\"standard\",reason="
                                  "\"allocation\"} 1"));
}

TEST_F(FailureTest, ADecodeThatFailsEndsItsSessionAndNamesTheChunk) {
  model_.FailDecode(1, 1, absl::InternalError("bad latents"));
  Start();
  const TestSession session = Submit(Request(1, 4));
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status(), absl::InternalError("decoding chunk 1: bad latents"));
  EXPECT_THAT(Sequences(session), ElementsAre(0));
  ExpectNeighboursUntouched();
}

TEST_F(FailureTest, ASinkThatFailsEndsOnlyItsSessionAndHearsOfNoFurtherChunk) {
  Start();
  const auto log = std::make_shared<SinkLog>();
  logs_.push_back(log);
  log->FailChunk(1, absl::InternalError("encoder broke"));
  ASSERT_TRUE(scheduler_->Submit(Request(1, 4), std::make_unique<RecordingSink>(log)).ok());
  SubmitNeighbours();
  ASSERT_TRUE(log->WaitForEnd());
  EXPECT_THAT(log->events(), ElementsAre("chunk 0", "chunk 1", "ended INTERNAL"));
  EXPECT_EQ(log->end_status(), absl::InternalError("encoder broke"));
  EXPECT_EQ(log->totals().chunks, 1);
  ExpectNeighboursUntouched();
}

const absl::Status kLost = absl::InternalError("an illegal memory access was encountered");

// Every session ends with the loss, whichever call it was that showed it, and nobody is admitted any more.
TEST_F(FailureTest, AModelLostInAPassEndsEverySession) {
  model_.HoldPlans();
  Start();
  const TestSession running = Submit(Request(1, 0));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  const TestSession beginning = Submit(Request(2, 4));
  EXPECT_TRUE(scheduler_->model_health().ok());
  model_.Lose(kLost);
  model_.FreePlans();
  for (const TestSession& session : {running, beginning}) {
    ASSERT_TRUE(session.log->WaitForEnd());
    EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(IsModelLost(session.log->end_status()));
    EXPECT_THAT(std::string(session.log->end_status().message()), HasSubstr("an illegal memory access"));
  }
  EXPECT_EQ(scheduler_->model_health(), kLost);
  const auto late = scheduler_->Submit(Request(3, 1), std::make_unique<RecordingSink>(std::make_shared<SinkLog>()));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(FailureTest, AModelLostInADecodeEndsEverySessionThoseThatWaitToo) {
  config_.memory_budget_bytes = model_.info().session_bytes;
  model_.HoldDecodes();
  Start();
  const TestSession decoding = Submit(Request(1, 1)), waiting = Submit(Request(2, 1));
  ASSERT_TRUE(model_.WaitForHeldDecode());
  model_.Lose(kLost);
  model_.FreeDecodes();
  for (const TestSession& session : {decoding, waiting}) {
    ASSERT_TRUE(session.log->WaitForEnd());
    EXPECT_TRUE(IsModelLost(session.log->end_status())) << session.log->end_status();
  }
}

TEST_F(FailureTest, AModelLostBeforeASessionBeginsEndsIt) {
  model_.Lose(kLost);
  Start();
  const TestSession session = Submit(Request(1, 1));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(IsModelLost(session.log->end_status())) << session.log->end_status();
  EXPECT_EQ(scheduler_->model_health(), kLost);
}

TEST_F(FailureTest, ASessionThatCannotBeginForAnyOtherReasonIsNotCalledShortOfMemory) {
  model_.FailBegin(1, absl::InternalError("device lost"));
  Start();
  const TestSession session = Submit(Request(1, 4));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status(), absl::InternalError("device lost"));
  EXPECT_EQ(RetryAfter(session.log->end_status()), std::nullopt);
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_admission_rejections_total{model=\"fake\",priority=\"standard\",reason="
                                  "\"allocation\"} 0"));
}

TEST_F(FailureTest, AModelThatAnswersForTooFewStepsFailsTheSessionThatItForgot) {
  model_.ForgetOutcome(1);
  model_.HoldPlans();
  Start();
  SubmitNeighbours();
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  const TestSession session = Submit(Request(1, 4));  // the last to come is the last in a plan
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(session.log->end_status().message()), HasSubstr("outcomes for"));
  ExpectNeighboursUntouched();
}

TEST_F(FailureTest, ADecodeThatBringsAnotherNumberOfFramesEndsItsSession) {
  model_.ShortenDecode(1, 1);
  Start();
  const TestSession session = Submit(Request(1, 4));
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status(), absl::InternalError("chunk 1 decoded to 11 frames instead of 12"));
  EXPECT_THAT(Sequences(session), ElementsAre(0));
  ExpectNeighboursUntouched();
}

// Nothing but the failure itself wakes the engine then.
TEST_F(FailureTest, ADecodeThatFailsEndsASessionForWhichTheEngineHasNothingToDo) {
  model_.FailDecode(1, 0, absl::InternalError("bad latents"));
  model_.HoldDecodes();
  Start();
  SessionRequest request = Request(1, 0);
  request.chunk_credits = 1;
  const TestSession session = Submit(request);
  ASSERT_TRUE(model_.WaitForHeldDecode());
  ASSERT_TRUE(model_.WaitForPlansRun(6));
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kInternal);
}

// Its events are dropped before its end is known; a delivery thread may come for them in between.
TEST_F(FailureTest, ASessionThatFailsWhileItWaitsForADeliveryThreadHasNothingToTellButItsEnd) {
  config_.delivery_threads = 1;
  Start();
  const TestSession slow = Submit(Request(1, 0));
  slow.log->HoldChunks();
  ASSERT_TRUE(slow.log->WaitForHeldChunk());
  SessionRequest blocked = Request(2, 0);
  blocked.chunk_credits = 0;
  const TestSession failing = Submit(blocked);  // "blocked" waits behind the held chunk
  blocked.seed = 3;
  const TestSession behind = Submit(blocked);
  model_.SetEndHook([&](SessionId id) {
    if (id != failing.id) return;
    slow.log->ReleaseChunks();
    EXPECT_TRUE(behind.log->WaitForEvent("blocked"));  // so the delivery thread has come past the failing one
  });
  scheduler_->Cancel(failing.id, absl::CancelledError("client went away"));
  ASSERT_TRUE(failing.log->WaitForEnd());
  EXPECT_THAT(failing.log->events(), ElementsAre("ended CANCELLED"));
  model_.SetEndHook(nullptr);
}

TEST_F(FailureTest, AnEventThatThereIsNoMemoryForEndsItsSessionAlone) {
  Start();
  const TestSession session = Submit(Request(1, 0));
  session.log->LoseMemoryAt("paused");
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForChunks(1));
  ASSERT_TRUE(scheduler_->Pause(session.id).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(session.log->end_status().message()), HasSubstr("telling the client: no memory"));
  ExpectNeighboursUntouched();
}

TEST_F(FailureTest, AnEndThatThereIsNoMemoryForIsToldOnceMoreAsSuch) {
  Start();
  const TestSession session = Submit(Request(1, 2));
  session.log->LoseMemoryAt("ended OK LENGTH_REACHED");
  SubmitNeighbours();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->events().back(), "ended RESOURCE_EXHAUSTED");
  EXPECT_EQ(session.log->end_status(), absl::ResourceExhaustedError("telling the client: no memory"));
  ExpectNeighboursUntouched();
}

TEST_F(FailureTest, TheMemoryOfAFailedSessionIsFreeForTheNextOne) {
  config_.memory_budget_bytes = model_.info().session_bytes;
  model_.FailStep(1, StepKind::kDenoise, 0, 0, absl::InternalError("broken"));
  Start();
  const TestSession session = Submit(Request(1, 4));
  const TestSession next = Submit(Request(2, 2));
  ASSERT_TRUE(session.log->WaitForEnd());
  ASSERT_TRUE(next.log->WaitForEnd());
  EXPECT_TRUE(next.log->end_status().ok());
}

}  // namespace
}  // namespace videodiffcr
