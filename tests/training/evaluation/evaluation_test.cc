#include "training/evaluation/evaluation.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/fakes/fake_video_model.h"
#include "training/evaluation/clip_generator.h"

namespace videodiffcr::training {
namespace {

TEST(ClipGeneratorTest, KeepsTheRulesOfTheModelAndTheLastChunks) {
  FakeVideoModel model;
  std::vector<ClipRequest> requests(11);  // more than the model takes side by side
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompts = {{0, "first"}, {3, "second"}};
    requests[i].seed = 100 + i;
    requests[i].budget = i % 2 == 0 ? 10 : 7;
    requests[i].chunks = 5;
    requests[i].first_kept_chunk = 2;
  }
  const auto clips = GenerateClips(model, requests);
  ASSERT_TRUE(clips.ok()) << clips.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ((*clips)[i].size(), 3u);
    for (int chunk = 2; chunk < 5; ++chunk) {
      const FrameIdentity identity = ReadFrameIdentity((*clips)[i][chunk - 2], 0);
      EXPECT_EQ(identity.seed, 100 + i);
      EXPECT_EQ(identity.chunk, chunk);
      EXPECT_EQ(identity.budget, requests[i].budget);
      EXPECT_EQ(identity.prompt_hash, HashPrompt(chunk < 3 ? "first" : "second"));
    }
  }
  EXPECT_TRUE(model.broken_rules().empty()) << model.broken_rules()[0];
  EXPECT_EQ(model.live_sessions(), 0);
}

TEST(ClipGeneratorTest, EndsItsSessionsWhenAStepFails) {
  FakeVideoModel model;
  model.FailStep(2, StepKind::kDenoise, 1, 2, absl::InternalError("out of luck"));
  const auto clips = GenerateClips(model, {{{{0, "a"}}, 1}, {{{0, "b"}}, 2}});
  EXPECT_EQ(clips.status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(model.live_sessions(), 0);
}

TEST(EvaluationTest, ComparesBudgetsOnTheSamePromptsAndNoise) {
  const std::vector<EvaluationCondition> conditions = StandardConditions({10, 7}, 24);
  for (uint64_t index = 0; index < 20; ++index) {
    const EvaluationClip dense = MakeEvaluationClip(conditions[0], 1, index);
    const EvaluationClip pruned = MakeEvaluationClip(conditions[1], 1, index);
    EXPECT_EQ(dense.request.prompts, pruned.request.prompts);
    EXPECT_EQ(dense.request.seed, pruned.request.seed);
    EXPECT_NE(dense.request.budget, pruned.request.budget);
    EXPECT_NE(dense.request.seed, MakeEvaluationClip(conditions[0], 2, index).request.seed);
  }
}

TEST(EvaluationTest, AsksForHeldOutPairsWhereTheConditionSaysSo) {
  for (const EvaluationCondition& condition : StandardConditions({10, 7}, 24)) {
    std::set<std::pair<int, int>> pairs;
    for (uint64_t index = 0; index < 200; ++index) {
      const AttributeValues prompted = MakeEvaluationClip(condition, 1, index).prompted;
      pairs.insert({prompted[kShape], prompted[kColor]});
    }
    EXPECT_EQ(pairs.size() == 4, condition.held_out_pairs) << condition.name;
    if (condition.held_out_pairs) {
      for (const auto& [shape, color] : pairs) EXPECT_TRUE(IsHeldOutPair(shape, color));
    }
  }
}

TEST(EvaluationTest, JudgesAVideoUnderItsLastPrompt) {
  const EvaluationCondition condition = {"prompt switch", kDenseTenths, 8, 3};
  const EvaluationClip clip = MakeEvaluationClip(condition, 1, 5);
  EXPECT_EQ(clip.request.first_kept_chunk, 4);
  ASSERT_EQ(clip.request.prompts.size(), 2u);
  EXPECT_NE(clip.request.prompts.at(0), clip.request.prompts.at(3));
  EXPECT_NE(clip.request.prompts.at(3).find(ValueName(kShape, clip.prompted[kShape])), std::string::npos);
}

TEST(EvaluationTest, TurnsFramesIntoPlanesInPlayingOrder) {
  FrameChunk chunk;
  chunk.width = 2;
  chunk.height = chunk.frame_count = 1;
  chunk.pixels = {255, 0, 51, 102, 0, 0};
  const at::Tensor frames = FramesToTensor({chunk, chunk});
  EXPECT_EQ(frames.sizes(), (at::IntArrayRef{1, 2, 3, 1, 2}));
  EXPECT_FLOAT_EQ(frames[0][1][0][0][1].item<float>(), 0.4f);
  EXPECT_FLOAT_EQ(frames[0][0][2][0][0].item<float>(), 0.2f);
}

}  // namespace
}  // namespace videodiffcr::training
