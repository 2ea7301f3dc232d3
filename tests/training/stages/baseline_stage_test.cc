// Baselines as stages: trained, stopped, gone on with, judged.
#include "training/stages/baseline_stage.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"
#include "tests/training/shallow_model.h"
#include "tests/training/stages/train_in_calls.h"
#include "tests/training/tiny_model.h"
#include "training/evaluation/plain_sampler.h"
#include "training/stages/sensitivity_stage.h"

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BaselineStageTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  BaselineStageOptions Options(const std::string& method, const std::string& output, int64_t steps) const {
    BaselineStageOptions options;
    options.stage.model = TinyModel();
    options.stage.output = folder_.Path(output);
    options.stage.steps = steps;
    options.stage.batch = 1;
    options.stage.learning_rate = 1e-3;
    options.distillation.critic_only_steps = 1;
    options.distillation.warmup_steps = 1;
    options.student.method = method;
    options.student.target = 0.5;
    return options;
  }
  void Train(const BaselineStageOptions& options, int64_t max_steps) const {
    TrainInCalls([&] { return MakeBaselineStage(options); }, options.stage.output + ".run", max_steps);
  }

  const TemporaryFolder folder_;
};

// The selectors' draws are the step's own, so a run in pieces is the run as a whole.
TEST_F(BaselineStageTest, SpvitGoesOnExactlyAndItsFolderIsJudgedAtItsBudget) {
  ASSERT_NO_FATAL_FAILURE(Train(Options("spvit", "whole", 3), 0));
  ASSERT_NO_FATAL_FAILURE(Train(Options("spvit", "pieces", 3), 2));
  for (const char* file : {"transformer.safetensors", "student.safetensors", "config.json"}) {
    EXPECT_TRUE(ReadFile(folder_.Path("whole/") + file) == ReadFile(folder_.Path("pieces/") + file)) << file;
  }
  EXPECT_FALSE(ReadFile(folder_.Path("whole/transformer.safetensors")) ==
               ReadFile(TinyModel() + "/transformer.safetensors"));
  const auto sampler = PlainSampler::Load(folder_.Path("whole"), at::kCPU);
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  EXPECT_THAT(sampler->budgets(), ElementsAre(10, 5));
  const std::vector<ClipRequest> request = {{{{0, "a large red circle moves right fast"}}, 5, 5, 1}};
  EXPECT_TRUE(sampler->Generate(request, TokenRanking::kRouter, 1).ok());
  EXPECT_THAT(sampler->Generate(request, TokenRanking::kRandom, 1).status().message(),
              HasSubstr("ranking \"random\": the model ranks no tokens"));
}

// Whatever a folder held before, it is what was trained last.
TEST_F(BaselineStageTest, AResultWithoutAStudentTakesTheStudentOfAnEarlierRunOutOfItsFolder) {
  ASSERT_NO_FATAL_FAILURE(Train(Options("d2it", "same", 1), 0));
  EXPECT_TRUE(std::filesystem::exists(folder_.Path("same/student.safetensors")));
  std::filesystem::remove_all(folder_.Path("same.run"));
  ASSERT_NO_FATAL_FAILURE(Train(Options("dense", "same", 1), 0));
  EXPECT_FALSE(std::filesystem::exists(folder_.Path("same/student.safetensors")));
}

TEST_F(BaselineStageTest, SensitivityWritesATableOfTheTargetAndChangesNoWeight) {
  BaselineStageOptions options = Options("sensitivity", "table", 1);
  options.stage.model = folder_.Path("shallow");  // it measures each block at ten ratios
  ASSERT_TRUE(WriteShallowModel(TinyModel(), 2, options.stage.model).ok());
  ASSERT_NO_FATAL_FAILURE(Train(options, 0));
  EXPECT_TRUE(ReadFile(folder_.Path("table/transformer.safetensors")) ==
              ReadFile(options.stage.model + "/transformer.safetensors"));
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(folder_.Path("table"));
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->retention.tables.size(), 1u);
  EXPECT_EQ(config->retention.tables[0].nominal, 5);
  EXPECT_NEAR(ExecutedRetention(config->retention.tables[0], 180), 0.5, 0.005);
}

TEST_F(BaselineStageTest, AMethodThatThereIsNotIsAnsweredWithTheOnesThatThereAre) {
  EXPECT_THAT(
      MakeBaselineStage(Options("magic", "out", 1)).status().message(),
      HasSubstr(
          "--method 'magic': must be one of dense, random, linear-router, diffcr, diffcr-literal, mod, spvit, d2it, "
          "flexidit, sensitivity"));
}

TEST(LeastSensitiveTenthsTest, GivesTokensToTheBlocksThatMissThemMost) {
  const RatioRule rule = {{0, 0}, 1};
  std::vector<std::vector<double>> losses(2, std::vector<double>(10));
  for (size_t ratio = 0; ratio < 10; ++ratio) {
    losses[0][ratio] = 9.0 - static_cast<double>(ratio);
    losses[1][ratio] = 3 * losses[0][ratio];
  }
  EXPECT_THAT(LeastSensitiveTenths(losses, 0.6, rule), ElementsAre(2, 10));
  std::swap(losses[0], losses[1]);
  EXPECT_THAT(LeastSensitiveTenths(losses, 0.6, rule), ElementsAre(10, 2));
  // With growing cost of each further tenth, an even share is best.
  for (std::vector<double>& of_layer : losses) {
    for (size_t ratio = 0; ratio < 10; ++ratio)
      of_layer[ratio] = (9.0 - static_cast<double>(ratio)) * (9.0 - static_cast<double>(ratio));
  }
  EXPECT_THAT(LeastSensitiveTenths(losses, 0.6, rule), ElementsAre(6, 6));
}

}  // namespace
}  // namespace videodiffcr::training
