#include "training/evaluation/evaluation.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
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

std::vector<EvaluationCondition> AllConditions(const std::vector<TokenRanking>& rankings) {
  return MakeConditions({ParseKinds("short,long,switch,held-out,drift").value(), {10, 7}, rankings});
}

TEST(EvaluationTest, JudgesEveryConditionAtEveryBudgetWithEveryRanking) {
  std::set<std::string> names;
  for (const EvaluationCondition& condition : AllConditions({TokenRanking::kRouter, TokenRanking::kRandom})) {
    names.insert(condition.name);
  }
  EXPECT_EQ(names, (std::set<std::string>{"dense", "retention 0.7", "retention 0.7, random", "after 24 chunks",
                                          "after 24 chunks, retention 0.7", "after 24 chunks, retention 0.7, random",
                                          "prompt switch", "prompt switch, retention 0.7",
                                          "prompt switch, retention 0.7, random", "held-out pairs",
                                          "held-out pairs, retention 0.7", "held-out pairs, retention 0.7, random",
                                          "drift", "drift, retention 0.7", "drift, retention 0.7, random"}));
}

TEST(EvaluationTest, NamesAConditionThatThereIsNot) {
  EXPECT_EQ(ParseKinds("short,forever").status().message(),
            "'forever': no such condition; there are short, long, switch, held-out, drift");
}

TEST(EvaluationTest, DriftLeavesSizeColourAndBackgroundOpenInTurn) {
  const EvaluationCondition drift = MakeConditions({{ConditionKind::kDrift}, {10}})[0];
  EXPECT_EQ(drift.chunks, 40);
  for (uint64_t index = 0; index < 30; ++index) {
    const EvaluationClip clip = MakeEvaluationClip(drift, 1, index);
    EXPECT_EQ(clip.prompted[kSize] == kNotSaid, index % 3 == 0);
    EXPECT_EQ(clip.prompted[kColor] == kNotSaid, index % 3 == 1);
    EXPECT_EQ(clip.prompted[kBackgroundColor] == kNotSaid && clip.prompted[kTexture] == kNotSaid, index % 3 == 2);
    EXPECT_EQ(clip.request.prompts.at(0).find("background") == std::string::npos, index % 3 == 2);
    const std::string& color = ValueName(kColor, clip.drawn[kColor]);
    if (index % 3 != 1) continue;
    EXPECT_EQ(clip.request.prompts.at(0).find(color), std::string::npos) << clip.request.prompts.at(0);
  }
}

TEST(EvaluationTest, RecordsWhichAttributesOfAClipAreRight) {
  const EvaluationCondition short_clips;
  EvaluationSettings settings;
  settings.clips = 5;
  const ClipBatch batch = MakeBatch(short_clips, settings, 3, 8);
  ASSERT_EQ(batch.clips.size(), 2u);
  AttributeValues wrong = batch.clips[1].prompted;
  wrong[kShape] = (wrong[kShape] + 1) % 4;
  const std::vector<ClipRecord> records = RecordAttributes(batch, {batch.clips[0].prompted, wrong});
  EXPECT_EQ(records[0].clip, 3);
  EXPECT_EQ(records[0].values[kAllRight], 1);
  EXPECT_EQ(records[1].values[kAllRight], 0);
  EXPECT_EQ(records[1].values[kShape], 0);
  EXPECT_EQ(records[1].values[kColor], 1);
}

TEST(EvaluationTest, HoldsNoMoreThanTheLastFourChunks) {
  ClipSource source;
  source.make = [](const EvaluationCondition&, const std::vector<ClipRequest>& requests, const ChunkVisitor& visit) {
    for (int64_t chunk = 0; chunk < requests[0].chunks; ++chunk) visit(chunk, at::full({1, 2, 1}, chunk));
    return absl::OkStatus();
  };
  ClipRequest request;
  request.chunks = 10;
  std::vector<std::pair<int64_t, at::Tensor>> windows;
  ASSERT_TRUE(JudgeWindows(source, {}, {request}, {4, 9}, [&](int64_t end, const at::Tensor& frames) {
                windows.emplace_back(end, frames);
              }).ok());
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[1].first, 9);
  EXPECT_TRUE(windows[1].second.flatten().to(at::kLong).equal(at::tensor({5, 5, 6, 6, 7, 7, 8, 8}).to(at::kLong)));
}

TEST(EvaluationTest, ComparesBudgetsOnTheSamePromptsAndNoise) {
  const std::vector<EvaluationCondition> conditions = MakeConditions({{ConditionKind::kShort}, {10, 7}});
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
  for (const EvaluationCondition& condition : AllConditions({TokenRanking::kRouter})) {
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
