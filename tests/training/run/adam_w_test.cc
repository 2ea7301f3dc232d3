#include "training/run/adam_w.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "training/run/learning_rate.h"
#include "training/run/weight_average.h"

namespace videodiffcr::training {
namespace {

TEST(AdamWTest, TakesTheFirstStepOfTheSizeOfTheLearningRate) {
  at::Tensor weight = at::full({3}, 2.0);
  AdamW optimizer({{"w", {3}, &weight}}, {});
  (weight * 0.1).sum().backward();
  ASSERT_TRUE(optimizer.Update(0.01, 0).ok());
  EXPECT_NEAR(weight[0].item<double>(), 1.99, 1e-6);
}

TEST(AdamWTest, MatchesTheFormulaOverSeveralSteps) {
  const AdamWOptions options = {0.9, 0.99, 1e-8, 0.1, 1e9};
  at::Tensor weight = at::full({1}, 1.0, at::TensorOptions(at::kDouble));
  AdamW optimizer({{"w", {1}, &weight}}, options);
  double expected = 1, mean = 0, square = 0;
  for (int step = 0; step < 5; ++step) {
    weight.square().sum().backward();
    ASSERT_TRUE(optimizer.Update(0.05, step).ok());
    const double gradient = 2 * expected;
    mean = 0.9 * mean + 0.1 * gradient;
    square = 0.99 * square + 0.01 * gradient * gradient;
    expected *= 1 - 0.05 * 0.1;
    expected -=
        0.05 * (mean / (1 - std::pow(0.9, step + 1))) / (std::sqrt(square / (1 - std::pow(0.99, step + 1))) + 1e-8);
    EXPECT_NEAR(weight.item<double>(), expected, 1e-9) << step;
  }
}

// Were each group clipped by its own norm, the calm one would not be clipped at all.
TEST(AdamWTest, ClipsAllGroupsByTheirCommonNorm) {
  const AdamWOptions options = {.beta1 = 0, .beta2 = 0, .eps = 1, .weight_decay = 0, .clip_norm = 1};
  at::Tensor wild = at::full({1}, 0.0), calm = at::full({1}, 0.0);
  AdamW optimizer(
      {ParameterGroup{"wild", {{"wild", {1}, &wild}}, 0}, ParameterGroup{"calm", {{"calm", {1}, &calm}}, 0}}, options);
  (wild * 30 + calm * 0.4).sum().backward();
  const auto norms = optimizer.UpdateGroups({{1, 0}, {1, 0}});
  ASSERT_TRUE(norms.ok()) << norms.status();
  EXPECT_NEAR(norms->all, std::hypot(30, 0.4), 1e-4);
  const auto step_of = [&](double gradient) { return gradient / norms->all / (gradient / norms->all + 1); };
  EXPECT_NEAR(wild.item<double>(), -step_of(30), 1e-5);
  EXPECT_NEAR(calm.item<double>(), -step_of(0.4), 1e-5);
}

TEST(AdamWTest, LeavesTheWeightsAloneWhenAGradientIsNotFinite) {
  at::Tensor weight = at::full({2}, 1.0);
  AdamW optimizer({{"some.weight", {2}, &weight}}, {});
  (weight * std::numeric_limits<double>::infinity()).sum().backward();
  const auto norm = optimizer.Update(0.01, 0);
  ASSERT_FALSE(norm.ok());
  EXPECT_NE(std::string(norm.status().message()).find("some.weight"), std::string::npos);
  EXPECT_EQ(weight[0].item<float>(), 1.0f);
}

TEST(LearningRateTest, WarmsUpThenFallsToItsEnd) {
  const LearningRateSchedule schedule = {1.0, 0.1, 10, LearningRateFall::kLinear};
  EXPECT_DOUBLE_EQ(schedule.At(0, 110), 0.1);
  EXPECT_DOUBLE_EQ(schedule.At(10, 110), 1.0);
  EXPECT_DOUBLE_EQ(schedule.At(60, 110), 0.55);
  EXPECT_DOUBLE_EQ(schedule.At(110, 110), 0.1);
}

TEST(WeightAverageTest, FollowsTheWeightsFastAtFirst) {
  at::Tensor weight = at::full({1}, 0.0);
  WeightAverage average({{"w", {1}, &weight}}, 0.999);
  weight.fill_(1.0);
  average.Update(0);
  EXPECT_NEAR(average.Averaged()[0].destination->item<double>(), 0.9, 1e-6);
}

}  // namespace
}  // namespace videodiffcr::training
