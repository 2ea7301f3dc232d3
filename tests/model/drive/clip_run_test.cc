#include "model/drive/clip_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::shared_ptr<const std::string> Prompt() { return std::make_shared<const std::string>("a red circle"); }

// One word per plan: each step's session and what it was.
std::vector<std::string> Plans(const FakeVideoModel& model) {
  std::vector<std::string> plans;
  for (const auto& plan : model.plans()) {
    std::string word;
    for (const auto& record : plan) {
      const PlannedStep& step = record.step;
      word += std::to_string(step.session);
      word += step.kind == StepKind::kText ? "T" : step.kind == StepKind::kContext ? "C" : std::to_string(step.step);
      if (step.scene_start) word += "!";
      word += " ";
    }
    plans.push_back(word);
  }
  return plans;
}

TakeLatents Decode(FakeVideoModel& model) {
  return [&model](std::vector<std::unique_ptr<LatentChunk>> latents) {
    for (std::unique_ptr<LatentChunk>& one : latents) EXPECT_TRUE(model.Decode(*one).ok());
    return absl::OkStatus();
  };
}

TEST(ClipRunTest, PromptsGoFirstThenAllTakeEachPassTogether) {
  FakeVideoModel model;
  {
    const auto first = ClipRun::Begin(model, 1, 1).value(), second = ClipRun::Begin(model, 2, 2).value();
    first->StartChunk({.chunk = 0, .prompt = Prompt(), .scene_start = true});
    second->StartChunk({.chunk = 0, .prompt = Prompt(), .scene_start = true});
    ASSERT_TRUE(RunChunks(model, {first.get(), second.get()}, Decode(model)).ok());
    EXPECT_TRUE(first->ChunkDone());
    first->StartChunk({.chunk = 1});
    second->StartChunk({.chunk = 1, .prompt = Prompt()});
    ASSERT_TRUE(RunChunks(model, {first.get(), second.get()}, Decode(model)).ok());
  }
  EXPECT_THAT(Plans(model), ElementsAre("1T 2T ", "10! 20! ", "11 21 ", "12 22 ", "13 23 ", "1C 2C ",  //
                                        "2T ", "10 20 ", "11 21 ", "12 22 ", "13 23 ", "1C 2C "));
  EXPECT_EQ(model.live_sessions(), 0);
  EXPECT_THAT(model.broken_rules(), IsEmpty());
}

TEST(ClipRunTest, LatentsAreTakenBeforeTheContextPassAndARefusalEndsTheChunk) {
  FakeVideoModel model;
  const auto run = ClipRun::Begin(model, 1, 1).value();
  run->StartChunk({.chunk = 0, .prompt = Prompt(), .scene_start = true});
  const absl::Status status = RunChunks(model, {run.get()}, [&](std::vector<std::unique_ptr<LatentChunk>> latents) {
    EXPECT_EQ(latents.size(), 1);
    return absl::AbortedError("no room");
  });
  EXPECT_EQ(status, absl::AbortedError("no room"));
  EXPECT_THAT(Plans(model), ElementsAre("1T ", "10! ", "11 ", "12 ", "13 "));
}

TEST(ClipRunTest, TheFirstFailureIsTheChunks) {
  FakeVideoModel model;
  model.FailStep(1, StepKind::kDenoise, 0, 2, absl::InternalError("broken"));
  const auto run = ClipRun::Begin(model, 1, 1).value();
  run->StartChunk({.chunk = 0, .prompt = Prompt(), .scene_start = true});
  EXPECT_EQ(RunChunks(model, {run.get()}, Decode(model)), absl::InternalError("broken"));
  EXPECT_FALSE(run->ChunkDone());
}

TEST(ClipRunTest, AModelThatForgetsAnOutcomeIsNamedNotFollowed) {
  FakeVideoModel model;
  model.ForgetOutcome(1);
  const auto run = ClipRun::Begin(model, 1, 1).value();
  run->StartChunk({.chunk = 0, .prompt = Prompt(), .scene_start = true});
  EXPECT_THAT(std::string(RunChunks(model, {run.get()}, Decode(model)).message()), HasSubstr("0 outcomes"));
}

TEST(ClipRunTest, ASessionThatCannotBeginIsItsError) {
  FakeVideoModel model;
  model.FailBegin(1, absl::ResourceExhaustedError("full"));
  EXPECT_EQ(ClipRun::Begin(model, 1, 1).status(), absl::ResourceExhaustedError("full"));
}

}  // namespace
}  // namespace videodiffcr
