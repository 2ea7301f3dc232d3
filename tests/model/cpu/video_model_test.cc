// The embedded model behind the seam, as the scheduler drives it.
#include "model/load/create_video_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/drive/clip_run.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<VideoModel> TinyModel(int threads) {
  absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel({"models/tiny", "cpu", threads});
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

std::shared_ptr<const std::string> Prompt(const std::string& text) { return std::make_shared<const std::string>(text); }
const char kCircle[] = "a large red circle moves right fast on a navy checkered background";
const char kStar[] = "a small yellow star bounces slowly on a black plain background";

// One session's wishes, chunk by chunk.
struct Script {
  uint64_t seed = 1;
  std::vector<std::string> prompts;      // one per chunk; empty: keep the last
  std::vector<RetentionTenths> budgets;  // one per chunk
  int scene_start_at = -1;               // chunk
  int start_after_plans = 0;             // joins later than the others
};

ChunkWish WishOf(const Script& script, size_t chunk) {
  return {.chunk = static_cast<int64_t>(chunk),
          .budget = script.budgets[chunk],
          .prompt = script.prompts[chunk].empty() ? nullptr : Prompt(script.prompts[chunk]),
          .scene_start = static_cast<int>(chunk) == script.scene_start_at};
}

// Runs all scripts together, one step of each session per plan, and returns every session's pixels, chunk after chunk.
std::vector<std::vector<uint8_t>> RunTogether(VideoModel& model, const std::vector<Script>& scripts) {
  std::vector<std::unique_ptr<ClipRun>> runs;
  std::vector<size_t> chunks_begun(scripts.size());
  std::vector<std::vector<uint8_t>> pixels(scripts.size());
  for (size_t s = 0; s < scripts.size(); ++s) runs.push_back(ClipRun::Begin(model, s + 1, scripts[s].seed).value());
  for (int plans = 0;; ++plans) {
    StepPlan plan;
    std::vector<size_t> owners;
    for (size_t s = 0; s < scripts.size(); ++s) {
      if (plans < scripts[s].start_after_plans) continue;
      if (runs[s]->ChunkDone()) {
        if (chunks_begun[s] == scripts[s].prompts.size()) continue;
        runs[s]->StartChunk(WishOf(scripts[s], chunks_begun[s]++));
      }
      plan.steps.push_back(runs[s]->Next());
      owners.push_back(s);
    }
    if (plan.steps.empty()) break;
    std::vector<StepOutcome> outcomes = model.Run(plan);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      EXPECT_TRUE(outcomes[i].status.ok()) << outcomes[i].status;
      runs[owners[i]]->Advance();
      if (outcomes[i].latents == nullptr) continue;
      absl::StatusOr<FrameChunk> frames = model.Decode(std::move(outcomes[i].latents));
      EXPECT_TRUE(frames.ok()) << frames.status();
      pixels[owners[i]].insert(pixels[owners[i]].end(), frames->pixels.begin(), frames->pixels.end());
    }
  }
  return pixels;
}

std::vector<uint8_t> RunAlone(VideoModel& model, Script script) {
  script.start_after_plans = 0;
  return RunTogether(model, {script})[0];
}

// Acceptance test 11 of videodiffcr.md appendix B, and stronger: not within a tolerance but bit for bit.
TEST(CpuVideoModelTest, AVideoIsTheSameAloneOrAmongOthersOnAnyNumberOfThreads) {
  const std::vector<Script> scripts = {
      {11, {kCircle, "", ""}, {10, 10, 10}},         {12, {kStar, "", ""}, {7, 7, 7}, -1, 3},
      {13, {kCircle, kStar, ""}, {9, 10, 8}, -1, 7}, {14, {kStar, "", ""}, {8, 8, 8}, 2},
      {11, {kCircle, "", ""}, {10, 10, 10}, -1, 9},
  };
  std::unique_ptr<VideoModel> one = TinyModel(1), two = TinyModel(2), five = TinyModel(5);
  const auto together = RunTogether(*two, scripts);
  EXPECT_TRUE(together[0] == together[4]) << "same seed, same video";
  EXPECT_FALSE(together[0] == together[1]);
  const auto five_lanes = RunTogether(*five, scripts);
  for (size_t s = 0; s < scripts.size(); ++s) {
    EXPECT_TRUE(RunAlone(*one, scripts[s]) == together[s]) << "session " << s;
    EXPECT_TRUE(RunAlone(*two, scripts[s]) == together[s]) << "session " << s;
    EXPECT_TRUE(five_lanes[s] == together[s]) << "session " << s;
  }
}

TEST(CpuVideoModelTest, AFirstChunkHasNineFramesALaterOneTwelveAndASceneStartsAfresh) {
  std::unique_ptr<VideoModel> model = TinyModel(2);
  const ModelInfo& info = model->info();
  const size_t frame = size_t{3} * info.width * info.height;
  EXPECT_EQ(RunAlone(*model, {1, {kCircle, ""}, {10, 10}}).size(), (9 + 12) * frame);
  EXPECT_EQ(RunAlone(*model, {1, {kCircle, ""}, {10, 10}, 1}).size(), (9 + 9) * frame);
}

TEST(CpuVideoModelTest, StatesWhatItCanDo) {
  const ModelInfo info = TinyModel(2)->info();
  EXPECT_EQ(info.name, "tiny");
  EXPECT_EQ(info.width, 160);
  EXPECT_EQ(info.height, 96);
  EXPECT_EQ(info.budgets.size(), 4u);
  EXPECT_DOUBLE_EQ(info.budgets[0].executed, 1.0);
  EXPECT_NEAR(info.budgets[1].executed, 0.8375, 1e-9);
  EXPECT_NEAR(info.budgets[2].executed, 0.775, 1e-9);
  EXPECT_NEAR(info.budgets[3].executed, 0.6875, 1e-9);
  EXPECT_EQ(info.vocabulary.size(), 60u);
  EXPECT_GT(info.session_bytes, info.kv_cache_bytes);
}

TEST(CpuVideoModelTest, NamesTheWordsItDoesNotKnow) {
  std::unique_ptr<VideoModel> model = TinyModel(1);
  absl::StatusOr<PromptCheck> check = model->CheckPrompt("A red Dragon, moves right; on a BLUE dragon background.");
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_THAT(check->unknown_words, ElementsAre("dragon"));
  std::string long_prompt;
  for (int i = 0; i < 40; ++i) long_prompt += "red ";
  EXPECT_EQ(model->CheckPrompt(long_prompt).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(CpuVideoModelTest, AStepThatCannotRunLeavesTheOthersOfItsPlanUntouched) {
  std::unique_ptr<VideoModel> model = TinyModel(2);
  ASSERT_TRUE(model->BeginSession(1, 5).ok());
  StepPlan text{{{1, StepKind::kText, 0, 0, 10, Prompt(kCircle)}}};
  ASSERT_TRUE(model->Run(text)[0].status.ok());
  StepPlan plan;
  plan.steps.push_back({1, StepKind::kDenoise, 0, 0, 10});
  plan.steps.push_back({99, StepKind::kDenoise, 0, 0, 10});
  std::vector<StepOutcome> outcomes = model->Run(plan);
  EXPECT_TRUE(outcomes[0].status.ok());
  EXPECT_EQ(outcomes[0].rows_processed, outcomes[0].rows_dense);
  EXPECT_EQ(outcomes[1].status.code(), absl::StatusCode::kNotFound);
  plan.steps = {{1, StepKind::kDenoise, 0, 1, 3}};
  const absl::Status unknown_budget = model->Run(plan)[0].status;
  EXPECT_EQ(unknown_budget.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(unknown_budget.message(), HasSubstr("3 tenths"));
}

TEST(CpuVideoModelTest, AFolderThatCannotBeServedIsAnErrorThatNamesIt) {
  EXPECT_THAT(CreateVideoModel({"models/absent", "cpu", 1}).status().message(), HasSubstr("models/absent"));
  EXPECT_THAT(CreateVideoModel({"models/tiny", "abacus", 1}).status().message(), HasSubstr("abacus"));
  EXPECT_THAT(CreateVideoModel({"models/tiny", "cpu", -1}).status().message(), HasSubstr("-1"));
}

}  // namespace
}  // namespace videodiffcr
