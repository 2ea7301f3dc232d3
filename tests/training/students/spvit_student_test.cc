// SPViT's selectors, on the tiny model.
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/training/students/baselines_fixture.h"
#include "training/students/dense_observation.h"
#include "training/students/spvit_student.h"

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SpvitTest, StagesKeepTheSameShareEachAndPackagesCount) {
  const SpvitStages stages = SpvitStagesOf(0.6875, 6, 180).value();
  EXPECT_THAT(stages.before_block, ElementsAre(2, 4));
  EXPECT_NEAR(static_cast<double>(stages.kept[1]) / stages.kept[0], stages.kept[0] / 180.0, 0.01);
  EXPECT_NEAR((2 * 180 + 2 * (stages.kept[0] + 1) + 2 * (stages.kept[1] + 2)) / 1080.0, 0.6875, 0.001);
  EXPECT_THAT(SpvitStagesOf(0.3, 6, 180).status().message(), HasSubstr("--target 0.3: spvit's two stages"));
}

SpvitSelector SelectorOf(SpvitStudent& student, size_t stage) {
  const std::vector<WeightRow> rows = student.OwnRows();
  const auto linear = [&](size_t index) {
    const size_t row = rows.size() / kSpvitStages * stage + 2 * index;
    return LinearWeights{*rows[row].destination, *rows[row + 1].destination};
  };
  return {linear(0), linear(1), linear(2), linear(3)};
}

// Not that this ranking serves SPViT better than its reverse: whether it does depends on the network.
TEST_F(BaselinesTest, SpvitsSelectorsAreFittedToWhatLaterBlocksChangeMost) {
  const c10::NoGradGuard no_gradients;
  auto student = SpvitStudent::Make({"spvit", 0.6875}, *model_).value();
  ASSERT_TRUE(student->Initialize(1).ok());
  const TransformerConfig& config = model_->config.transformer;
  const SpvitStages stages = SpvitStagesOf(0.6875, config.num_layers, config.tokens_per_chunk()).value();
  double error = 0;
  int measured = 0;
  const auto measure = [&](const ResidualStream& stream) {
    for (size_t stage = 0; stage < kSpvitStages; ++stage, ++measured) {
      const at::Tensor& entered = stream[stages.before_block[stage]];
      const SpvitChances chances = ChancesOf(SelectorOf(*student, stage), config.num_heads, config.eps, entered);
      const at::Tensor right = StandardizedLogNorm(stream.back() - entered);
      error += (chances.kept - chances.dropped - right).square().mean().item<double>();
    }
  };
  ASSERT_TRUE(ObserveDenseRollouts(*model_, 2, measure).ok());  // others than those that they were fitted to
  EXPECT_LT(error / measured, 0.85) << "a mean square: 1 for scores that say nothing";
}

// With a selector that likes what the first channel of a head says, those tokens are kept.
TEST_F(BaselinesTest, SpvitsChancesAreThoseOfTheSelector) {
  const c10::NoGradGuard no_gradients;
  auto student = SpvitStudent::Make({"spvit", 0.5}, *model_).value();
  ASSERT_TRUE(student->Initialize(1).ok());
  StepRandom random(9, 0, at::kCPU);
  const at::Tensor x = random.Normal({2, 50, 192});
  const SpvitSelector selector = SelectorOf(*student, 0);
  const SpvitChances chances = ChancesOf(selector, 3, 1e-6, x);
  EXPECT_LT((chances.kept.exp() + chances.dropped.exp() - 1).abs().max().item<double>(), 1e-4);
  EXPECT_GT(chances.kept.std().item<double>(), 0.01) << "all alike";
  // The mean over the tokens is part of it: another token elsewhere changes a token's chance.
  at::Tensor other = x.clone();
  other.narrow(1, 0, 25).neg_();
  EXPECT_FALSE(ChancesOf(selector, 3, 1e-6, other).kept[0][40].equal(chances.kept[0][40]));
}

}  // namespace
}  // namespace videodiffcr::training
