// The embedded model behind the seam, as the scheduler drives it.
#include "model/load/create_video_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/drive/clip_run.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<VideoModel> TinyModel(int threads, std::optional<CacheRetention> cache = std::nullopt) {
  VideoModelOptions options = {"models/tiny", "cpu", threads};
  options.cache_retention = std::move(cache);
  absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel(options);
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
      absl::StatusOr<FrameChunk> frames = model.Decode(*outcomes[i].latents);
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

// Budgets that keep different shares of the cache, in different blocks.
CacheRetention Retained() {
  return {CacheScore::kSaliency,
          {{10, {50}}, {9, {50}}, {8, {25}}, {7, {50, 25, 50, 25, 50, 25}}, {6, {25}}, {5, {25}}}};
}

TEST(CpuVideoModelTest, WithAPartOfTheCacheAVideoIsTheSameAloneOrAmongOthersToo) {
  const std::vector<Script> scripts = {
      {11, {kCircle, "", "", "", ""}, {10, 7, 10, 8, 7}},
      {12, {kStar, "", "", ""}, {7, 7, 10, 7}, -1, 3},
      {13, {kCircle, kStar, "", ""}, {9, 10, 8, 7}, 2, 7},
  };
  std::unique_ptr<VideoModel> one = TinyModel(1, Retained()), two = TinyModel(2, Retained());
  const auto together = RunTogether(*two, scripts);
  for (size_t s = 0; s < scripts.size(); ++s) {
    EXPECT_TRUE(RunAlone(*one, scripts[s]) == together[s]) << "session " << s;
  }
  EXPECT_FALSE(RunAlone(*TinyModel(2), scripts[0]) == together[0]);
}

TEST(CpuVideoModelTest, APartOfTheCacheTakesLessMemoryAndSaysWhatItIs) {
  const ModelInfo whole = TinyModel(1)->info(), part = TinyModel(1, Retained())->info();
  // Per block 3 copies of (sink 3 + ring 6 + chunk 3) frames; of the ring's 6 half stay.
  EXPECT_NEAR(static_cast<double>(part.kv_cache_bytes) / static_cast<double>(whole.kv_cache_bytes), 9.0 / 12, 0.01);
  EXPECT_EQ(whole.session_bytes - part.session_bytes, whole.kv_cache_bytes - part.kv_cache_bytes);
  EXPECT_EQ(whole.cache_score, "");
  EXPECT_EQ(whole.budgets[3].cache, 1.0);
  EXPECT_EQ(part.cache_score, "saliency");
  EXPECT_DOUBLE_EQ(part.budgets[0].cache, 0.5);
  EXPECT_DOUBLE_EQ(part.budgets[2].cache, 0.25);
  EXPECT_DOUBLE_EQ(part.budgets[3].cache, 0.375);
}

TEST(CpuVideoModelTest, EachPassSaysHowMuchOfThePastItSaw) {
  std::unique_ptr<VideoModel> model = TinyModel(1, Retained());
  std::unique_ptr<ClipRun> run = ClipRun::Begin(*model, 1, 5).value();
  std::vector<std::pair<int64_t, int64_t>> keys;
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    run->StartChunk({.chunk = chunk, .budget = 10, .prompt = chunk == 0 ? Prompt(kStar) : nullptr});
    while (!run->ChunkDone()) {
      const PlannedStep step = run->Next();
      const StepOutcome outcome = std::move(model->Run({{step}}).front());
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
      if (step.kind == StepKind::kDenoise && step.step == 3) {
        keys.emplace_back(outcome.past_keys, outcome.past_keys_whole);
      }
      run->Advance();
    }
  }
  // Six blocks; the first chunk is sink and stays whole, of the second half stays.
  EXPECT_THAT(keys, ElementsAre(std::pair(0, 0), std::pair(6 * 180, 6 * 180), std::pair(6 * 270, 6 * 360)));
}

TEST(CpuVideoModelTest, ACacheSettingThatDoesNotFitTheModelIsRefused) {
  VideoModelOptions options = {"models/tiny", "cpu", 1};
  options.cache_retention = UniformCacheRetention(CacheScore::kRandom, 50, {4});
  EXPECT_THAT(std::string(CreateVideoModel(options).status().message()),
              HasSubstr("retention.cache.percent.4: 4; must be 10 or a budget"));
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
  ASSERT_EQ(info.budgets.size(), 6u);
  EXPECT_DOUBLE_EQ(info.budgets[0].executed, 1.0);
  EXPECT_NEAR(info.budgets[1].executed, 0.8, 1e-9);
  EXPECT_NEAR(info.budgets[2].executed, 0.7375, 1e-9);
  EXPECT_NEAR(info.budgets[3].executed, 0.67083333333, 1e-9);
  EXPECT_NEAR(info.budgets[4].executed, 0.5917, 1e-4);
  EXPECT_NEAR(info.budgets[5].executed, 0.5125, 1e-9);
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
