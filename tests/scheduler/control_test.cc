// What clients may ask of a running session, and when it takes effect.
#include "scheduler/session_record.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using ControlTest = SchedulerTest;

SessionChange PromptChange(const std::string& prompt, int64_t update_id) {
  SessionChange change;
  change.prompt = prompt;
  change.update_id = update_id;
  return change;
}

uint64_t PromptOf(const GeneratedChunk& chunk) { return ReadFrameIdentity(chunk.frames, 0).prompt_hash; }

TEST_F(ControlTest, AChangeBeforeTheFirstChunkStartsAffectsChunkZero) {
  model_.HoldPlans();
  config_.max_sessions_per_plan = 1;
  Start();
  Submit(Request(1, 1));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());  // the engine is busy with another session
  const TestSession session = Submit(Request(2, 1));
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a blue square", 5)).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), Contains("update 5 from chunk 0"));
  EXPECT_EQ(PromptOf(session.log->chunks()[0]), HashPrompt("a blue square"));
}

TEST_F(ControlTest, AChangeDuringAChunkAffectsTheNextOneAndIsAnnouncedBeforeIt) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 3));
  Step(2);  // in the middle of chunk 0
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a blue square", 5)).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), ElementsAre("chunk 0", "update 5 from chunk 1", "chunk 1", "finishing", "chunk 2",
                                                 "ended OK LENGTH_REACHED"));
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_EQ(PromptOf(chunks[0]), HashPrompt("a red circle"));
  EXPECT_EQ(PromptOf(chunks[1]), HashPrompt("a blue square"));
  EXPECT_EQ(PromptOf(chunks[2]), HashPrompt("a blue square"));
}

TEST_F(ControlTest, AChangeDuringAContextPassAffectsTheChunkThatFollowsIt) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  Step(5);  // text and four passes; the context pass of chunk 0 stands at the gate
  ASSERT_EQ(model_.WaitForHeldPlan()->steps[0].kind, StepKind::kContext);
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a blue square", 5)).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), Contains("update 5 from chunk 1"));
}

TEST_F(ControlTest, AChangeThatArrivesOnceAChunksTextIsBeingEncodedIsTooLateForThatChunk) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  Step(0);  // the text step of chunk 0 stands at the gate
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a blue square", 5)).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), Contains("update 5 from chunk 1"));
}

TEST_F(ControlTest, AChangeIsAnnouncedWhenItsChunkStartsNotWhenItIsMade) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 0));
  Step(5);  // the context pass of chunk 0 stands at the gate
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a blue square", 5)).ok());
  Step(1);  // the text of chunk 1 stands at the gate
  EXPECT_TRUE(session.log->WaitForEvent("update 5 from chunk 1"));
}

TEST_F(ControlTest, SeveralChangesForOneBoundaryAreMergedAndEachIsAnnounced) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  Step(1);
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a green cube", 5)).ok());
  SessionChange budget;
  budget.target = 7;
  budget.update_id = 6;
  ASSERT_TRUE(scheduler_->Change(session.id, budget).ok());
  ASSERT_TRUE(scheduler_->Change(session.id, PromptChange("a blue square", 7)).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(),
              ElementsAre("chunk 0", "update 5 from chunk 1", "update 6 from chunk 1", "update 7 from chunk 1",
                          "budget 0.7 from chunk 1 by client", "finishing", "chunk 1", "ended OK LENGTH_REACHED"));
  EXPECT_EQ(PromptOf(session.log->chunks()[1]), HashPrompt("a blue square"));
}

TEST_F(ControlTest, ABudgetChangeIsUsedReportedAndCountedFromTheNextChunkOn) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  Step(1);
  SessionChange change;
  change.target = 7;
  ASSERT_TRUE(scheduler_->Change(session.id, change).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_EQ(chunks[0].nominal, 10);
  EXPECT_DOUBLE_EQ(chunks[0].executed_retention, 1.0);
  EXPECT_EQ(chunks[1].nominal, 7);
  EXPECT_DOUBLE_EQ(chunks[1].executed_retention, 0.7);
  EXPECT_EQ(ReadFrameIdentity(chunks[1].frames, 0).budget, 7);
  EXPECT_DOUBLE_EQ(session.log->totals().nominal_retention_mean, 0.85);
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_retention_changes_total{model=\"fake\",direction=\"down\",priority="
                                  "\"standard\",reason=\"client\"} 1"));
}

TEST_F(ControlTest, ABudgetThatTheModelHasNoTableForIsRefusedByItsValue) {
  Start();
  const TestSession session = Submit(Request(2, 0));
  SessionChange change;
  change.target = 5;
  const absl::Status status = scheduler_->Change(session.id, change);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("target is 5 tenths"));
}

TEST_F(ControlTest, ChangesBeyondTheBoundForOneBoundaryAreRefused) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  Step(1);
  for (int i = 0; i < kMaxPendingChanges; ++i) ASSERT_TRUE(scheduler_->Change(session.id, SessionChange()).ok());
  EXPECT_EQ(scheduler_->Change(session.id, SessionChange()).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(ControlTest, ASceneCutMakesTheNextChunkAFirstChunkWithNothingToLookBackAt) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 3));
  Step(2);
  SessionChange cut;
  cut.scene_cut = true;
  cut.update_id = 9;
  ASSERT_TRUE(scheduler_->Change(session.id, cut).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), Contains("update 9 from chunk 1"));
  const std::vector<GeneratedChunk> chunks = session.log->chunks();
  EXPECT_TRUE(chunks[1].scene_start);
  EXPECT_EQ(chunks[1].frames.frame_count, 9);
  EXPECT_EQ(chunks[1].first_frame, 9);
  EXPECT_FALSE(chunks[2].scene_start);
  EXPECT_EQ(chunks[2].first_frame, 18);
  for (const auto& plan : model_.plans()) {
    const ObservedStep& step = plan[0];
    if (step.step.kind == StepKind::kDenoise && step.step.chunk == 1) {
      EXPECT_EQ(step.key_tokens, 100);
    }
  }
}

// The model empties the decoder's state with the first pass of a scene; the fake objects if a chunk still needs it.
TEST_F(ControlTest, ASceneDoesNotStartBeforeTheChunksOfTheLastOneAreDecoded) {
  model_.HoldDecodes();
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  Step(5);  // chunk 0 is being decoded; its context pass stands at the gate
  SessionChange cut;
  cut.scene_cut = true;
  ASSERT_TRUE(scheduler_->Change(session.id, cut).ok());
  model_.FreePlans();
  Submit(Request(3, 0));
  ASSERT_TRUE(model_.WaitForPlansRun(6 + 10));  // six of the first session, two chunks of the other
  for (const auto& plan : model_.plans()) {
    for (const ObservedStep& step : plan) EXPECT_FALSE(step.seed == 2 && step.step.chunk == 1);
  }
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_TRUE(session.log->chunks()[1].scene_start);
}

TEST_F(ControlTest, ASceneStartsWhileTheChunkBeforeItIsStillBeingEncoded) {
  model_.HoldDecodes();
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(2, 2));
  session.log->HoldChunks();
  Step(5);  // chunk 0 is being decoded; its context pass stands at the gate
  SessionChange cut;
  cut.scene_cut = true;
  ASSERT_TRUE(scheduler_->Change(session.id, cut).ok());
  model_.FreePlans();
  ASSERT_TRUE(model_.WaitForPlansRun(6));
  ASSERT_TRUE(clock_.WaitForWaiters(1));  // nothing to do before the chunk is decoded
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForHeldChunk());
  EXPECT_TRUE(model_.WaitForPlansRun(6 + 4));
  session.log->ReleaseChunks();
  ASSERT_TRUE(session.log->WaitForEnd());
}

TEST_F(ControlTest, APauseIsToldAlthoughTheEngineSleeps) {
  Start();
  SessionRequest request = Request(1, 0);
  request.chunk_credits = 1;
  const TestSession session = Submit(request);
  ASSERT_TRUE(model_.WaitForPlansRun(6));
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  ASSERT_TRUE(clock_.WaitForWaiters(1)) << "an engine with nothing to do spins";
  ASSERT_TRUE(scheduler_->Pause(session.id).ok());
  EXPECT_TRUE(session.log->WaitForEvent("paused"));
}

TEST_F(ControlTest, APausedSessionTakesNoStepUntilUnpausedAndOthersGoOn) {
  model_.HoldPlans();
  config_.max_sessions_per_plan = 1;
  Start();
  const TestSession session = Submit(Request(1, 2));
  Step(2);
  ASSERT_TRUE(scheduler_->Pause(session.id).ok());
  const TestSession other = Submit(Request(2, 3));
  model_.FreePlans();
  ASSERT_TRUE(other.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), ElementsAre("paused"));
  EXPECT_EQ(model_.live_sessions(), 1);  // it keeps its place and its KV cache
  ASSERT_TRUE(scheduler_->Unpause(session.id).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(),
              ElementsAre("paused", "generating", "chunk 0", "finishing", "chunk 1", "ended OK LENGTH_REACHED"));
}

TEST_F(ControlTest, FinishEndsAPausedSessionWithTheChunkInProgress) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(1, 0));
  Step(2);
  ASSERT_TRUE(scheduler_->Pause(session.id).ok());
  ASSERT_TRUE(scheduler_->Finish(session.id).ok());
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(Sequences(session), ElementsAre(0));
}

TEST_F(ControlTest, SpentChunkCreditsStopThatSessionOnlyAndMoreLetItGoOn) {
  Start();
  SessionRequest request = Request(1, 4);
  request.chunk_credits = 2;
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  const TestSession other = Submit(Request(2, 5));
  ASSERT_TRUE(other.log->WaitForEnd());
  EXPECT_TRUE(session.log->WaitForChunks(2));
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1));
  clock_.Advance(absl::Seconds(3));
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 2, 0).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_flow_control_blocked_seconds_total{model=\"fake\",priority="
                                  "\"standard\"} 3"));
}

TEST_F(ControlTest, ASessionSubmittedWithoutCreditsWaitsForItsFirst) {
  Start();
  SessionRequest request = Request(1, 1);
  request.chunk_credits = 0;
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 1, 0).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(Sequences(session), ElementsAre(0));
}

TEST_F(ControlTest, TheChunkThatCrossesTheByteCreditsIsTheLastUntilMoreAreGranted) {
  Start();
  SessionRequest request = Request(1, 5);
  request.byte_credits = 1500;  // 1000 bytes per chunk
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1));
  ASSERT_TRUE(scheduler_->AddCredits(session.id, 0, 10'000).ok());
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->totals().chunks, 5);
}

TEST_F(ControlTest, ABlockedTransportStopsTheSessionAtTheNextChunkBoundary) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(1, 3));
  Step(2);
  scheduler_->SetTransportRoom(session.id, 0);
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEvent("blocked"));
  ASSERT_TRUE(session.log->WaitForChunks(1));
  EXPECT_THAT(Sequences(session), ElementsAre(0));
  scheduler_->SetTransportRoom(session.id, 4);
  ASSERT_TRUE(session.log->WaitForEnd());
}

TEST_F(ControlTest, ACancelledSessionHasFreedItsMemoryBeforeTheSecondNextPlan) {
  model_.HoldPlans();
  config_.max_sessions_per_plan = 1;
  Start();
  const TestSession other = Submit(Request(2, 0));
  const TestSession session = Submit(Request(1, 0));
  Step(7);
  ASSERT_EQ(model_.live_sessions(), 2);
  scheduler_->Cancel(session.id, absl::CancelledError("client went away"));
  Step(1);  // the plan in progress ends; when the next one stands at the gate, the memory is free
  EXPECT_EQ(model_.live_sessions(), 1);
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(session.log->end_status(), absl::CancelledError("client went away"));
  EXPECT_THAT(Scrape(), AllOf(HasSubstr("videodiffcr_cancel_latency_seconds_count{model=\"fake\",origin=\"client\","
                                        "priority=\"standard\"} 1"),
                              HasSubstr("videodiffcr_sessions_total{model=\"fake\",outcome=\"cancelled\",priority="
                                        "\"standard\"} 1"),
                              HasSubstr("videodiffcr_kv_cache_bytes{model=\"fake\",state=\"running\"} 800")));
}

TEST_F(ControlTest, ACancelledSessionDropsChunksThatHaveNotReachedItsSink) {
  model_.HoldDecodes();
  Start();
  const TestSession session = Submit(Request(1, 0));
  ASSERT_TRUE(model_.WaitForHeldDecode());
  ASSERT_TRUE(model_.WaitForPlansRun(10));  // one chunk is being decoded, one waits behind it
  scheduler_->Cancel(session.id, absl::CancelledError("client went away"));
  ASSERT_TRUE(model_.WaitForLiveSessions(0));
  model_.FreeDecodes();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), ElementsAre("ended CANCELLED"));
  EXPECT_EQ(model_.decodes_begun(), 1);
}

TEST_F(ControlTest, ASessionAtItsRunAheadLimitGoesOnWhenTheViewersClockAllows) {
  Start();
  SessionRequest request = Request(1, 3);
  request.playout_start_buffer = absl::ZeroDuration();
  request.run_ahead_limit_chunks = 1;
  const TestSession session = Submit(request);
  ASSERT_TRUE(session.log->WaitForChunks(2));  // chunk 0 starts to play when it is delivered, so chunk 1 may follow
  const TestSession other = Submit(Request(2, 3));
  ASSERT_TRUE(other.log->WaitForEnd());
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1));
  EXPECT_THAT(session.log->events(), Not(Contains("blocked")));
  clock_.Advance(absl::Milliseconds(562));  // chunk 1 starts to play after 9 frames at 16 per second: 562.5 ms
  const TestSession another = Submit(Request(3, 3));
  ASSERT_TRUE(another.log->WaitForEnd());
  EXPECT_THAT(Sequences(session), ElementsAre(0, 1));
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(session.log->WaitForEnd());
}

TEST_F(ControlTest, OfSessionsAtTheirRunAheadLimitsTheEngineWakesForTheOneThatIsReadyFirst) {
  Start();
  SessionRequest request = Request(1, 3);
  request.playout_start_buffer = absl::ZeroDuration();
  request.run_ahead_limit_chunks = 1;
  const TestSession soon = Submit(request);
  request.seed = 2;
  request.playout_start_buffer = absl::Seconds(10);
  const TestSession later = Submit(request);
  ASSERT_TRUE(soon.log->WaitForChunks(2));
  ASSERT_TRUE(later.log->WaitForChunks(1));
  ASSERT_TRUE(model_.WaitForPlansRun(1));
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  clock_.Advance(absl::Milliseconds(563));
  ASSERT_TRUE(soon.log->WaitForEnd());
}

}  // namespace
}  // namespace videodiffcr
