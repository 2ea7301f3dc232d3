#include "training/evaluation/frechet_distance.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace videodiffcr::training
