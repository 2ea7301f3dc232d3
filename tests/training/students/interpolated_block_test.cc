#include "training/students/interpolated_block.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/model/small_transformer.h"

namespace videodiffcr::training {
namespace {

// The first block of the small network on a first chunk of 18 tokens.
class InterpolatedBlockTest : public testing::Test {
 protected:
  InterpolatedBlockTest() {
    at::set_num_threads(1);  // the small network's products are tiny: threads would only wait for each other
    model_ = MakeSmallRoutedTransformer();
    x_ = FillNoise("x", {1, 18, 32});
    probe_ = FillNoise("probe", {1, 18, 32});
    time_ = FillNoise("time", {1, 3, 6, 32});
    text_ = {FillNoise("text_k", {1, 8, 2, 16}), FillNoise("text_v", {1, 8, 2, 16})};
    positions_ = MakePositions(model_, 0, 3, 0);
  }

  BlockContext Context() { return {2, 1e-6, time_, past_, positions_, text_}; }
  at::Tensor Ratio(double rho) { return at::full({}, rho, at::TensorOptions(at::kFloat)).set_requires_grad(true); }
  at::Tensor Interpolated(const at::Tensor& rho, int delta_tenths = 0) {
    const RatioBins bins = BinsOf(rho.item<double>(), delta_tenths, 1);
    return InterpolatedBlock(model_.weights.blocks[0], Context(), {}, bins, rho, x_).x;
  }
  // A loss that is linear in the block's output.
  at::Tensor Loss(const at::Tensor& rho, int delta_tenths = 0) {
    return (Interpolated(rho, delta_tenths) * probe_).sum();
  }
  at::Tensor Served(int tenths) { return RunBlock(model_.weights.blocks[0], Context(), {}, tenths, x_).x; }

  DiffusionTransformer model_;
  at::Tensor x_, probe_, time_;
  KeysValues past_, text_;
  ChunkPositions positions_;
};

TEST_F(InterpolatedBlockTest, Acceptance8TheRatiosGradientIsThatOfTheInterpolatedLoss) {
  for (const double rho : {0.55, 0.23, 0.97}) {
    const at::Tensor ratio = Ratio(rho);
    Loss(ratio).backward();
    const c10::NoGradGuard no_gradients;
    constexpr double kStep = 0.01;
    const double difference =
        (Loss(Ratio(rho + kStep)).item<double>() - Loss(Ratio(rho - kStep)).item<double>()) / (2 * kStep);
    EXPECT_NEAR(ratio.grad().item<double>(), difference, 2e-3 * std::abs(difference) + 1e-3) << rho;
    EXPECT_GT(std::abs(difference), 0.01) << "or this test says nothing";
  }
}

TEST_F(InterpolatedBlockTest, Acceptance8ARatioBeyondTheClampHasNoGradient) {
  const at::Tensor ratio = Ratio(0.85);
  EXPECT_FALSE(Loss(ratio, 3).requires_grad() && (Loss(ratio, 3).backward(), ratio.grad().defined()));
  EXPECT_TRUE(Interpolated(ratio, 3).equal(Served(10)));
  EXPECT_TRUE(Interpolated(Ratio(0.3), -3).equal(Served(1)));
}

TEST_F(InterpolatedBlockTest, Acceptance8TheTwoBinsWeighOneTogether) {
  const at::Tensor half = Interpolated(Ratio(0.55)), mean = 0.5 * (Served(5) + Served(6));
  EXPECT_LT((half - mean).abs().max().item<double>(), 1e-5);
}

TEST_F(InterpolatedBlockTest, Acceptance9OnABinItIsWhatIsServedBitForBit) {
  for (const int tenths : {2, 5, 8, 10}) {
    EXPECT_TRUE(Interpolated(Ratio(0.1f * static_cast<float>(tenths))).equal(Served(tenths))) << tenths;
  }
}

}  // namespace
}  // namespace videodiffcr::training
