// Sessions that go on where another scheduler has left them.
#include <functional>

#include "absl/strings/str_cat.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ContinuationTest : public SchedulerTest {
 protected:
  static SessionRequest Kept(int64_t length_chunks) {
    SessionRequest request = Request(7, length_chunks);
    request.keep_latents = true;
    return request;
  }
  // Behind the first `count` of these chunks, with as many of them as the model looks back at.
  SessionRequest Behind(const std::vector<GeneratedChunk>& made, int64_t count, int64_t length_chunks) {
    auto before = std::make_shared<Continuation>();
    before->chunks = count;
    before->frames = made[count - 1].first_frame + made[count - 1].frames.frame_count;
    const int64_t first = std::max<int64_t>(0, count - model_.info().window_chunks);
    for (int64_t i = first; i < count; ++i) {
      before->scene.push_back({i, made[i].prompt, made[i].latents, made[i].nominal});
    }
    SessionRequest request = Kept(length_chunks);
    request.prompt = *made[count - 1].prompt;
    request.continuation = std::move(before);
    return request;
  }
  static std::vector<int64_t> Sequences(const TestSession& session) {
    std::vector<int64_t> sequences;
    for (const GeneratedChunk& chunk : session.log->chunks()) sequences.push_back(chunk.sequence);
    return sequences;
  }
  // What was run for the session, in the order of the plans.
  std::vector<std::string> StepsSince(int64_t plan) const {
    std::vector<std::string> steps;
    const auto plans = model_.plans();
    for (size_t i = static_cast<size_t>(plan); i < plans.size(); ++i) {
      for (const ObservedStep& step : plans[i]) {
        const char* const kind[] = {"text", "denoise", "context", "rebuild"};
        steps.push_back(absl::StrCat(kind[static_cast<int>(step.step.kind)], " ", step.step.chunk));
      }
    }
    return steps;
  }
};

TEST_F(ContinuationTest, TheNextChunkFollowsOnTheLastAsIfNothingHadHappened) {
  Start();
  const TestSession whole = Submit(Kept(6));
  ASSERT_TRUE(whole.log->WaitForEnd());
  const std::vector<GeneratedChunk> made = whole.log->chunks();
  ASSERT_EQ(made.size(), 6u);
  const TestSession rest = Submit(Behind(made, 3, 6));
  ASSERT_TRUE(rest.log->WaitForEnd());
  EXPECT_THAT(Sequences(rest), ElementsAre(3, 4, 5));
  for (size_t i = 0; i < 3; ++i) {
    const GeneratedChunk chunk = rest.log->chunks()[i];
    EXPECT_EQ(chunk.first_frame, made[i + 3].first_frame);
    EXPECT_EQ(chunk.frames.pixels, made[i + 3].frames.pixels);
    EXPECT_FALSE(chunk.scene_start);
  }
  EXPECT_EQ(rest.log->totals().chunks, 6) << "of the whole video";
  EXPECT_EQ(rest.log->totals().frames, 9 + 5 * 12);
}

TEST_F(ContinuationTest, WhatTheModelLooksBackAtIsRebuiltUnderThePromptsOfThatTime) {
  Start();
  const TestSession first = Submit(Kept(2));
  ASSERT_TRUE(first.log->WaitForEnd());
  std::vector<GeneratedChunk> made = first.log->chunks();
  SessionRequest request = Behind(made, 2, 3);
  request.prompt = "a blue square";  // from the next chunk on
  const int64_t plan = model_.plans_run();
  const TestSession rest = Submit(request);
  ASSERT_TRUE(rest.log->WaitForEnd());
  EXPECT_THAT(StepsSince(plan), ElementsAre("text 2", "rebuild 0", "rebuild 1", "text 2", "denoise 2", "denoise 2",
                                            "denoise 2", "denoise 2"));
}

TEST_F(ContinuationTest, WhatTheModelLooksBackAtIsRebuiltAtTheBudgetsOfThatTime) {
  Start();
  const TestSession first = Submit(Kept(3));
  ASSERT_TRUE(first.log->WaitForEnd());
  std::vector<GeneratedChunk> made = first.log->chunks();
  made[1].nominal = 7;
  made[2].nominal = 9;
  SessionRequest request = Behind(made, 3, 4);
  request.target = 8;  // from the next chunk on
  const int64_t plan = model_.plans_run();
  const TestSession rest = Submit(request);
  ASSERT_TRUE(rest.log->WaitForEnd());
  std::vector<RetentionTenths> rebuilt;
  const auto plans = model_.plans();
  for (size_t i = static_cast<size_t>(plan); i < plans.size(); ++i) {
    for (const ObservedStep& step : plans[i]) {
      if (step.step.kind == StepKind::kRebuild) rebuilt.push_back(step.step.budget);
    }
  }
  EXPECT_THAT(rebuilt, ElementsAre(7, 9)) << "the fake model looks back at two chunks";
  EXPECT_EQ(rest.log->chunks()[0].nominal, 8);
}

TEST_F(ContinuationTest, WithoutASceneTheNextChunkStartsOne) {
  Start();
  const TestSession first = Submit(Kept(2));
  ASSERT_TRUE(first.log->WaitForEnd());
  SessionRequest request = Kept(3);
  auto before = std::make_shared<Continuation>();
  before->chunks = 2;
  before->frames = 21;
  before->update_ids = {17};
  request.continuation = before;
  const TestSession rest = Submit(request);
  ASSERT_TRUE(rest.log->WaitForEnd());
  ASSERT_THAT(Sequences(rest), ElementsAre(2));
  EXPECT_TRUE(rest.log->chunks()[0].scene_start);
  EXPECT_EQ(rest.log->chunks()[0].frames.frame_count, model_.info().first_chunk_frames);
  EXPECT_THAT(rest.log->events(), ::testing::Contains("update 17 from chunk 2"));
}

TEST_F(ContinuationTest, TheViewersClockGoesOn) {
  Start();
  const TestSession first = Submit(Kept(2));
  ASSERT_TRUE(first.log->WaitForEnd());
  SessionRequest request = Behind(first.log->chunks(), 2, 4);
  request.playout_start_buffer = absl::Seconds(1);
  auto before = std::make_shared<Continuation>(*request.continuation);
  before->due = absl::Milliseconds(300);
  request.continuation = before;
  const absl::Time now = clock_.Now();
  const TestSession rest = Submit(request);
  ASSERT_TRUE(rest.log->WaitForEnd());
  const std::vector<GeneratedChunk> chunks = rest.log->chunks();
  EXPECT_EQ(chunks[0].deadline, now + absl::Milliseconds(300));
  EXPECT_EQ(chunks[1].deadline, now + absl::Milliseconds(300 + 750));
}

TEST_F(ContinuationTest, APausedSessionWaitsForItsViewer) {
  Start();
  const TestSession first = Submit(Kept(1));
  ASSERT_TRUE(first.log->WaitForEnd());
  SessionRequest request = Behind(first.log->chunks(), 1, 2);
  auto before = std::make_shared<Continuation>(*request.continuation);
  before->paused = true;
  request.continuation = before;
  const TestSession rest = Submit(request);
  ASSERT_TRUE(rest.log->WaitForEvent("paused"));
  EXPECT_TRUE(scheduler_->Unpause(rest.id).ok());
  ASSERT_TRUE(rest.log->WaitForEnd());
  EXPECT_THAT(Sequences(rest), ElementsAre(1));
}

TEST_F(ContinuationTest, AnAllocationThatFailsWhileRebuildingIsTriedOnceMore) {
  Start();
  const TestSession first = Submit(Kept(2));
  ASSERT_TRUE(first.log->WaitForEnd());
  model_.FailStep(7, StepKind::kRebuild, 1, 0, absl::ResourceExhaustedError("no memory"), 1);
  const TestSession rest = Submit(Behind(first.log->chunks(), 2, 3));
  ASSERT_TRUE(rest.log->WaitForEnd());
  EXPECT_TRUE(rest.log->end_status().ok()) << rest.log->end_status();
  EXPECT_THAT(Sequences(rest), ElementsAre(2));
}

TEST_F(ContinuationTest, WhatIsOutstandingHoldsTheChangesOfChunksThatAreToBeMadeAgain) {
  model_.HoldPlans();
  Start();
  SessionRequest request = Kept(0);
  request.chunk_credits = 10;
  const TestSession session = Submit(request);
  Step(1 + 4);  // text and passes of chunk 0; its context pass stands at the gate
  SessionChange change;
  change.prompt = "a blue square";
  change.target = 9;
  change.update_id = 3;
  ASSERT_TRUE(scheduler_->Change(session.id, change).ok());
  Step(2);  // the context pass and the new prompt: chunk 1 has been started
  change = {};
  change.scene_cut = true;
  change.update_id = 4;
  ASSERT_TRUE(scheduler_->Change(session.id, change).ok());
  const absl::StatusOr<Outstanding> outstanding = scheduler_->OutstandingFrom(session.id, 1, 9);
  ASSERT_TRUE(outstanding.ok()) << outstanding.status();
  EXPECT_EQ(outstanding->prompt, "a blue square");
  EXPECT_EQ(outstanding->target, 9);
  EXPECT_TRUE(outstanding->scene_cut);
  EXPECT_THAT(outstanding->update_ids, ElementsAre(3, 4));
  EXPECT_EQ(outstanding->chunk_credits, 9) << "chunk 1 is to be paid for again";
  EXPECT_EQ(scheduler_->OutstandingFrom(session.id + 1, 0, 0).status().code(), absl::StatusCode::kNotFound);
  scheduler_->Cancel(session.id, absl::CancelledError("enough"));
}

TEST_F(ContinuationTest, WhatDoesNotFitTheModelIsRefused) {
  Start();
  const auto refusal = [&](const std::function<void(Continuation*)>& spoil) {
    auto before = std::make_shared<Continuation>();
    before->chunks = 1;
    before->frames = 9;
    const auto latents = std::make_shared<const HalfLatents>(model_.info().latents_per_chunk);
    before->scene.push_back({0, std::make_shared<const std::string>("a red circle"), latents});
    spoil(before.get());
    SessionRequest request = Request(7, 4);
    request.continuation = before;
    const auto id = scheduler_->Submit(request, std::make_unique<RecordingSink>(std::make_shared<SinkLog>()));
    return std::string(id.status().message());
  };
  EXPECT_THAT(refusal([](Continuation* c) { c->chunks = -1; }), HasSubstr("continuation.chunks is -1"));
  EXPECT_THAT(refusal([](Continuation* c) { c->chunks = 5; }), HasSubstr("the video has 4"));
  EXPECT_THAT(refusal([](Continuation* c) { c->chunks = 0; }), HasSubstr("chunk 0 stands before 0"));
  EXPECT_THAT(refusal([](Continuation* c) { c->scene[0].latents = std::make_shared<HalfLatents>(3); }),
              HasSubstr("8 latents"));
}

}  // namespace
}  // namespace videodiffcr
