#include "model/plain/transformer/router.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>

#include <cmath>

#include "gtest/gtest.h"
#include "parity/fill_rule.h"

namespace videodiffcr {
namespace {

constexpr int64_t kFrames = 3, kSites = 4, kDim = 6, kRouterDim = 5;

RouterWeights MakeRouter() {
  RouterWeights router;
  router.down = {FillWeight("router.down.weight", {kRouterDim, kDim}), FillWeight("router.down.bias", {kRouterDim})};
  router.mix = FillWeight("router.mix", {kRouterDim, kFrames, kFrames});
  router.score = FillWeight("router.score.weight", {1, kRouterDim});
  return router;
}

// videodiffcr.md section 2.2, index by index.
double ScoreByHand(const RouterWeights& router, const at::Tensor& x, int64_t frames, int64_t g, int64_t site) {
  double score = 0;
  for (int64_t c = 0; c < kRouterDim; ++c) {
    double u = 0, row = 0, part = 0;
    for (int64_t f = 0; f < kFrames; ++f) row += router.mix[c][g][f].item<double>();
    for (int64_t f = 0; f < frames; ++f) part += router.mix[c][g][f].item<double>();
    for (int64_t f = 0; f < frames; ++f) {
      double z = router.down.bias[c].item<double>();
      for (int64_t d = 0; d < kDim; ++d) {
        z += router.down.weight[c][d].item<double>() * x[0][f * kSites + site][d].item<double>();
      }
      u += router.mix[c][g][f].item<double>() * (frames == kFrames ? 1 : row / part) * z;
    }
    score += router.score[0][c].item<double>() * u / (1 + std::exp(-u));
  }
  return score;
}

TEST(Router, ScoresAreThoseOfTheFormula) {
  const RouterWeights router = MakeRouter();
  for (int64_t frames = 1; frames <= kFrames; ++frames) {
    const at::Tensor x = FillNoise("x", {1, frames * kSites, kDim});
    const at::Tensor scores = RouterScores(router, x, frames);
    ASSERT_EQ(scores.sizes().vec(), (std::vector<int64_t>{1, frames * kSites}));
    for (int64_t f = 0; f < frames; ++f) {
      for (int64_t site = 0; site < kSites; ++site) {
        EXPECT_NEAR(scores[0][f * kSites + site].item<double>(), ScoreByHand(router, x, frames, f, site), 1e-4)
            << frames << " frames, token " << f * kSites + site;
      }
    }
  }
}

TEST(Router, WhatStandsBesideTheFramesIsAddedToTheirMix) {
  RouterWeights router = MakeRouter();
  router.mix.zero_();
  const at::Tensor z = RouterFeatures(router, FillNoise("x", {1, kFrames * kSites, kDim}));
  const at::Tensor beside = FillNoise("beside", {1, kFrames, kSites, kRouterDim});
  const at::Tensor scores = ScoresOfFeatures(router, z, kFrames, beside);
  for (int64_t token = 0; token < kFrames * kSites; ++token) {
    double score = 0;
    for (int64_t c = 0; c < kRouterDim; ++c) {
      const double u = beside[0][token / kSites][token % kSites][c].item<double>();
      score += router.score[0][c].item<double>() * u / (1 + std::exp(-u));
    }
    EXPECT_NEAR(scores[0][token].item<double>(), score, 1e-5) << token;
  }
}

TEST(Router, ScoresOfHalfPrecisionInputsAreFp32) {
  const at::Tensor scores = RouterScores(MakeRouter(), FillNoise("x", {1, 12, kDim}).to(at::kBFloat16), kFrames);
  EXPECT_EQ(scores.scalar_type(), at::kFloat);
}

TEST(Router, AZeroScoreLeavesTheFeedForwardLayerAsItIs) {
  const at::Tensor zero = FillUniform("s", {1, 2}) * 0;
  EXPECT_EQ(GateFromScores(zero, RouterGate::kTwoSigmoid, at::kFloat)[0][0][0].item<float>(), 1.0f);
  EXPECT_EQ(GateFromScores(zero, RouterGate::kSigmoid, at::kFloat)[0][0][0].item<float>(), 0.5f);
  EXPECT_FALSE(GateFromScores(zero, RouterGate::kNone, at::kFloat).defined());
}

}  // namespace
}  // namespace videodiffcr
