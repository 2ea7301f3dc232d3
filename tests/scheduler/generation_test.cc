// Sessions from submission to end: what comes out, in which order, and with what in it.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>

#include "system/thread_niceness.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using GenerationTest = SchedulerTest;

TEST_F(GenerationTest, ASessionDeliversItsChunksInOrderAndEndsWhenItsLengthIsReached) {
  Start();
  const TestSession session = Submit(Request(7, 3));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(),
              ElementsAre("chunk 0", "chunk 1", "finishing", "chunk 2", "ended OK LENGTH_REACHED"));
  EXPECT_EQ(session.log->totals().chunks, 3);
  EXPECT_EQ(session.log->totals().frames, 9 + 12 + 12);
}

TEST_F(GenerationTest, PlansRunOnAThreadThatStandsBackForThoseThatDeliverAndTheseForThoseThatAnswer) {
  const int before = getpriority(PRIO_PROCESS, 0);
  std::atomic<int> niceness = 0;
  model_.SetPlanHook([&](const StepPlan&) { niceness = getpriority(PRIO_PROCESS, 0); });
  config_.engine_niceness = 4;
  Start();
  ASSERT_TRUE(Submit(Request(7, 1)).log->WaitForEnd());
  EXPECT_EQ(niceness, std::min(before + 4, kMostNiceness));
  EXPECT_EQ(model_.decode_niceness(), std::min(before + 2, kMostNiceness));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
}

TEST_F(GenerationTest, EveryFrameIsTheOneItsPlaceInTheVideoCallsFor) {
  Start();
  const TestSession session = Submit(Request(7, 3));
  ASSERT_TRUE(session.log->WaitForEnd());
  int64_t first_frame = 0;
  for (const GeneratedChunk& chunk : session.log->chunks()) {
    EXPECT_EQ(chunk.first_frame, first_frame);
    first_frame += chunk.frames.frame_count;
    for (int frame = 0; frame < chunk.frames.frame_count; ++frame) {
      const FrameIdentity expected = {7, chunk.sequence, frame, 10, HashPrompt("a red circle")};
      EXPECT_TRUE(ReadFrameIdentity(chunk.frames, frame) == expected)
          << "chunk " << chunk.sequence << " frame " << frame;
    }
  }
}

TEST_F(GenerationTest, ThePlansOfOneSessionAreTextThenPassesThenContextAndNoContextAfterTheLastChunk) {
  Start();
  const TestSession session = Submit(Request(7, 2));
  ASSERT_TRUE(session.log->WaitForEnd());
  std::string steps;
  for (const auto& plan : model_.plans()) {
    ASSERT_EQ(plan.size(), 1u);
    const PlannedStep& step = plan[0].step;
    steps += step.kind == StepKind::kText ? "T" : step.kind == StepKind::kContext ? "C" : std::to_string(step.step);
  }
  EXPECT_EQ(steps, "T0123C0123");
}

TEST_F(GenerationTest, OnePlanHoldsSessionsThatDifferInChunkStepPromptKeyLengthAndBudget) {
  model_.HoldPlans();
  Start();
  SessionRequest dense = Request(1, 0);
  dense.prompt = "a red circle";
  SessionRequest pruned = Request(2, 0);
  pruned.prompt = "a blue square";
  pruned.target = 7;
  pruned.priority = PriorityClass::kBatch;  // nobody waits for either's chunk: else that one would have the plan alone
  Submit(dense);
  // The first session alone: text, four passes of chunk 0, context, two passes of chunk 1.
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
    if (i == 7) Submit(pruned);
    model_.ReleasePlans(1);
  }
  // The second one's text, then its first pass beside the first one's last.
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
    model_.ReleasePlans(1);
  }
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  const std::vector<ObservedStep> plan = model_.plans().back();
  ASSERT_EQ(plan.size(), 2u);
  const ObservedStep& first = plan[0].seed == 1 ? plan[0] : plan[1];
  const ObservedStep& second = plan[0].seed == 1 ? plan[1] : plan[0];
  EXPECT_EQ(first.step.chunk, 1);
  EXPECT_EQ(second.step.chunk, 0);
  EXPECT_EQ(first.step.step, 3);
  EXPECT_EQ(second.step.step, 0);
  EXPECT_EQ(first.prompt, "a red circle");
  EXPECT_EQ(second.prompt, "a blue square");
  EXPECT_EQ(first.key_tokens, 200);
  EXPECT_EQ(second.key_tokens, 100);
  EXPECT_EQ(first.step.budget, 10);
  EXPECT_EQ(second.step.budget, 7);
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_batch_sessions_bucket{model=\"fake\",le=\"2\"} 10"));
}

TEST_F(GenerationTest, ASessionsFramesDoNotDependOnItsNeighbours) {
  Start();
  const TestSession alone = Submit(Request(5, 4));
  ASSERT_TRUE(alone.log->WaitForEnd());
  std::vector<TestSession> crowd;
  for (uint64_t seed = 1; seed <= 5; ++seed) crowd.push_back(Submit(Request(seed, 4)));
  for (const TestSession& session : crowd) ASSERT_TRUE(session.log->WaitForEnd());
  const std::vector<GeneratedChunk> expected = alone.log->chunks();
  const std::vector<GeneratedChunk> actual = crowd[4].log->chunks();
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(actual[i].frames.pixels, expected[i].frames.pixels);
}

TEST_F(GenerationTest, TheContextPassRunsWhileTheChunkIsStillBeingDecoded) {
  model_.HoldDecodes();
  Start();
  Submit(Request(7, 0));
  ASSERT_TRUE(model_.WaitForHeldDecode());
  // Text, four passes, context, and the next chunk's passes: all while chunk 0 is not yet frames. Then the bound of two
  // holds.
  ASSERT_TRUE(model_.WaitForPlansRun(10));
  EXPECT_EQ(model_.plans().back()[0].step.chunk, 1);
}

TEST_F(GenerationTest, AtMostTwoChunksStandBetweenTheEngineAndASlowSinkAndOthersGoOn) {
  Start();
  const TestSession slow = Submit(Request(1, 0));
  slow.log->HoldChunks();
  ASSERT_TRUE(slow.log->WaitForHeldChunk());
  const TestSession quick = Submit(Request(2, 20));
  ASSERT_TRUE(quick.log->WaitForEnd());
  std::map<uint64_t, int64_t> last_chunk;
  for (const auto& plan : model_.plans()) {
    for (const ObservedStep& step : plan) {
      if (step.step.kind == StepKind::kDenoise) last_chunk[step.seed] = step.step.chunk;
    }
  }
  const int64_t taken = static_cast<int64_t>(slow.log->chunks().size());
  EXPECT_LE(last_chunk[1], taken + 1);
  EXPECT_EQ(last_chunk[2], 19);
}

TEST_F(GenerationTest, FinishEndsTheSessionAfterTheChunkInProgress) {
  model_.HoldPlans();
  Start();
  const TestSession session = Submit(Request(7, 0));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
    model_.ReleasePlans(1);
  }
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  ASSERT_TRUE(scheduler_->Finish(session.id).ok());
  EXPECT_EQ(scheduler_->Change(session.id, SessionChange()).code(), absl::StatusCode::kFailedPrecondition);
  model_.FreePlans();
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_THAT(session.log->events(), ElementsAre("finishing", "chunk 0", "ended OK FINISH_REQUESTED"));
  EXPECT_EQ(model_.plans().size(), 5u);  // no context pass
}

TEST_F(GenerationTest, AControlOfASessionThatHasEndedIsNotFound) {
  Start();
  const TestSession session = Submit(Request(7, 1));
  ASSERT_TRUE(session.log->WaitForEnd());
  EXPECT_EQ(scheduler_->Pause(session.id).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(scheduler_->Pause(session.id + 1).code(), absl::StatusCode::kNotFound) << "nor one that never was";
  scheduler_->Cancel(session.id, absl::CancelledError(""));
  scheduler_->SetTransportRoom(session.id, 0);
}

}  // namespace
}  // namespace videodiffcr
