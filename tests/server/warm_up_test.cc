#include "server/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WarmUpTest, RunsAnExamplePromptsChunksThenAFirstChunkByTheModelsRulesAndLeavesNothingBehind) {
  FakeVideoModel model;
  ASSERT_TRUE(WarmUp(&model, 2).ok());
  std::string steps;
  for (const auto& plan : model.plans()) {
    const PlannedStep& step = plan[0].step;
    steps += step.kind == StepKind::kText ? "T" : step.kind == StepKind::kContext ? "C" : std::to_string(step.step);
    if (step.scene_start) steps += "!";
    EXPECT_EQ(plan[0].prompt, "a red circle");
  }
  EXPECT_EQ(steps, "T0!123C0123CT0!123C");
  EXPECT_EQ(model.decodes_begun(), 3);
  EXPECT_EQ(model.live_sessions(), 0);
  EXPECT_THAT(model.broken_rules(), IsEmpty());
}

TEST(WarmUpTest, AModelWithoutExamplesIsWarmedUpWithAPromptOfOurs) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.example_prompts.clear();
  FakeVideoModel model(info);
  ASSERT_TRUE(WarmUp(&model, 1).ok());
  EXPECT_NE(model.plans()[0][0].prompt, "");
}

TEST(WarmUpTest, ChunksAreEncodedAsACallWouldGetThem) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.frames_per_second = 0;  // which only an encoder minds
  FakeVideoModel model(info);
  EXPECT_THAT(std::string(WarmUp(&model, 1).message()), HasSubstr("frames_per_second"));
  EXPECT_EQ(model.live_sessions(), 0);
}

TEST(WarmUpTest, AModelOfFramesThatNoEncoderTakesIsWarmedUpToo) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.width = 65;
  FakeVideoModel model(info);
  EXPECT_TRUE(WarmUp(&model, 1).ok());
  EXPECT_EQ(model.decodes_begun(), 2);
}

TEST(WarmUpTest, NoChunksIsNoWork) {
  FakeVideoModel model;
  model.FailBegin(1, absl::InternalError("must not be called"));
  EXPECT_TRUE(WarmUp(&model, 0).ok());
}

// A server that starts with a model that cannot make a chunk would fail every session instead.
TEST(WarmUpTest, WhateverFailsIsItsErrorAndTheSessionIsGivenBack) {
  const absl::Status broken = absl::InternalError("broken");
  const auto warm_up = [](const std::function<void(FakeVideoModel*)>& spoil) {
    FakeVideoModel model;
    spoil(&model);
    const absl::Status status = WarmUp(&model, 1);
    EXPECT_EQ(model.live_sessions(), 0);
    return status;
  };
  EXPECT_EQ(warm_up([&](auto* model) { model->FailBegin(1, broken); }), broken);
  EXPECT_EQ(warm_up([&](auto* model) { model->FailStep(1, StepKind::kText, 0, 0, broken); }), broken);
  EXPECT_EQ(warm_up([&](auto* model) { model->FailStep(1, StepKind::kDenoise, 0, 3, broken); }), broken);
  EXPECT_EQ(warm_up([&](auto* model) { model->FailDecode(1, 0, broken); }), broken);
  EXPECT_EQ(warm_up([&](auto* model) { model->FailStep(1, StepKind::kContext, 0, 0, broken); }), broken);
  EXPECT_EQ(warm_up([&](auto* model) { model->ForgetOutcome(1); }).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace videodiffcr
