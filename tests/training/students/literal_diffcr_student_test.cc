// DiffCR as it is written, as a student of the tiny model.
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/training/students/baselines_fixture.h"
#include "training/students/literal_diffcr_student.h"

namespace videodiffcr::training {
namespace {

TEST(LiteralDiffcrTest, RowsAreRoundedUpFromARatioInSinglePrecision) {
  EXPECT_EQ(LiteralRows(8, 4680), 3745) << "a little above 0.8";
  EXPECT_EQ(LiteralRows(7, 4680), 3276) << "a little below 0.7";
  EXPECT_EQ(LiteralRows(6, 180), 109);
  EXPECT_EQ(LiteralRows(10, 180), 180);
}

// With a router of zeros every gate is a half, in blocks that keep all tokens too: DiffCR's public code begins so.
TEST_F(BaselinesTest, LiteralDiffcrGatesDenseBlocksToo) {
  const c10::NoGradGuard no_gradients;
  LiteralDiffcrStudent student({"diffcr-literal", 0.5}, *model_);
  ASSERT_TRUE(student.Initialize(1).ok());
  student.OwnRows()[0].destination->zero_();
  const RolloutPurpose begin = {5, at::kFloat, UpdateMoment{0, 10, 1e-4}, {}, {}};  // all ratios are 1
  const at::Tensor flow = FirstFlow(student, begin, 1, PassKind::kServed);
  const at::Tensor dense = FirstFlow(student, {kDenseTenths, at::kFloat, {}, {}}, 1, PassKind::kServed);
  EXPECT_GT((flow - dense).norm().item<double>(), 0.05 * dense.norm().item<double>());
  for (BlockWeights& block : model_->transformer.weights.blocks) {
    block.ffn_out.weight.mul_(0.5);
    block.ffn_out.bias.mul_(0.5);
  }
  const at::Tensor halved = FirstFlow(student, {kDenseTenths, at::kFloat, {}, {}}, 1, PassKind::kServed);
  for (BlockWeights& block : model_->transformer.weights.blocks) {
    block.ffn_out.weight.mul_(2);
    block.ffn_out.bias.mul_(2);
  }
  EXPECT_LT((flow - halved).abs().max().item<double>(), 1e-4);
}

// The ratios begin at 1, go to the target while the penalty pulls, and the table that is kept executes it.
TEST_F(BaselinesTest, LiteralDiffcrsRatiosArePulledToTheTargetAndThenFixed) {
  LiteralDiffcrStudent student({"diffcr-literal", 0.5}, *model_);
  ASSERT_TRUE(student.Initialize(1).ok());
  at::Tensor& ratios = *student.StoredRows()[0].destination;
  ratios.set_requires_grad(true);
  student.Penalty({0, 10, 1e-4}, 5).backward();
  EXPECT_GT(ratios.grad().min().item<double>(), 0) << "down";
  EXPECT_GT(student.Rates({7, 10, 1e-4})[2].learning_rate, 0);
  EXPECT_EQ(student.Rates({8, 10, 1e-4})[2].learning_rate, 0);
  EXPECT_FALSE(student.Penalty({8, 10, 1e-4}, 5).defined());
  const c10::NoGradGuard no_gradients;
  ratios.add_(0.3);
  student.AfterUpdate({0, 10, 1e-4}, {});
  EXPECT_EQ(ratios.max().item<float>(), 1);
}

}  // namespace
}  // namespace videodiffcr::training
