#include "training/evaluation/frechet_distance.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

namespace videodiffcr::training {
namespace {

at::Tensor Samples() {
  return at::randn({400, 6}, at::make_generator<at::CPUGeneratorImpl>(uint64_t{3}), at::TensorOptions(at::kDouble));
}

TEST(FrechetDistanceTest, IsZeroFromASetToItself) { EXPECT_NEAR(FrechetDistance(Samples(), Samples()), 0, 1e-9); }

TEST(FrechetDistanceTest, IsTheSquareOfAShift) {
  EXPECT_NEAR(FrechetDistance(Samples(), Samples() + 0.5), 6 * 0.25, 1e-9);
}

TEST(FrechetDistanceTest, ComparesSpreadsAlongEveryDirection) {
  const at::Tensor centred = Samples() - Samples().mean(0);
  // Gaussians of deviations s and 3 s: (3 s - s)^2 per direction, so 4 times the variances' sum.
  EXPECT_NEAR(FrechetDistance(centred, 3 * centred), 4 * centred.var(0).sum().item<double>(), 1e-8);
}

TEST(FrechetDistanceTest, PerClipHasTheDistanceAsItsMean) {
  const at::Tensor other = 1.5 * Samples() + 0.3;
  const at::Tensor per_clip = FrechetDistancePerClip(Samples(), other);
  EXPECT_EQ(per_clip.numel(), 400);
  EXPECT_NEAR(per_clip.mean().item<double>(), FrechetDistance(Samples(), other), 1e-8);
}

// A clip that is there twice moves the distance by its influence over the number of clips.
TEST(FrechetDistanceTest, PerClipIsWhatAClipAddsToTheDistance) {
  const at::Tensor first = Samples();
  const at::Tensor second = at::matmul(Samples().flip(0), at::tril(at::ones({6, 6}, at::kDouble))) + 0.4;
  const double distance = FrechetDistance(first, second);
  const at::Tensor influence = FrechetDistancePerClip(first, second) - distance;
  for (const int64_t clip : {0, 17, 300}) {
    const double twice =
        FrechetDistance(at::cat({first, first.narrow(0, clip, 1)}), at::cat({second, second.narrow(0, clip, 1)}));
    const double expected = influence[clip].item<double>() / 401;
    EXPECT_NEAR(twice - distance, expected, 0.03 * std::abs(expected) + 0.002) << clip;
  }
}

TEST(FrechetDistanceTest, PerClipStandsDirectionsWithoutSpread) {
  const at::Tensor flat = at::cat({Samples(), at::zeros({400, 2}, at::kDouble)}, 1);
  const at::Tensor per_clip = FrechetDistancePerClip(flat, 2 * flat);
  EXPECT_TRUE(per_clip.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace videodiffcr::training
