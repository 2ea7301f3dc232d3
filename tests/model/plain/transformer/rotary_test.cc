#include "model/plain/transformer/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <cmath>

#include "gtest/gtest.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr {
namespace {

// causal_wan_dit.md section 6.
static_assert(RotaryPairs(128) == std::array<int64_t, 3>{22, 21, 21});
static_assert(RotaryPairs(16) == std::array<int64_t, 3>{4, 2, 2});
static_assert(RotaryPairs(64) == std::array<int64_t, 3>{12, 10, 10});
static_assert(RotaryPairs(2) == std::array<int64_t, 3>{1, 0, 0});

TransformerConfig PaperConfig() { return TransformerConfig(); }

double Angle(const RotaryTable& table, int64_t token, int64_t pair) {
  return std::atan2(table.sin[0][token][0][pair].item<double>(), table.cos[0][token][0][pair].item<double>());
}

TEST(Rotary, FrequenciesAreThoseOfTheReference) {
  const RotaryTable table = MakeRotaryTable(PaperConfig(), 1, 1, at::kDouble, at::kCPU);
  const int64_t last_token = PaperConfig().tokens_per_frame() - 1;  // row 29, column 51
  EXPECT_NEAR(Angle(table, 0, 0), 1.0, 1e-12);
  EXPECT_NEAR(Angle(table, 0, 1), 0.657933225, 1e-9);
  EXPECT_NEAR(Angle(table, 0, 21), 1.519911083e-4, 1e-13);
  EXPECT_EQ(Angle(table, 0, 22), 0.0) << "rows start at 0";
  EXPECT_NEAR(Angle(table, 52, 22), 1.0, 1e-12) << "the second row";
  EXPECT_NEAR(Angle(table, 1, 44), 0.644946677, 1e-9) << "the second column";
  EXPECT_NEAR(Angle(table, last_token, 42), 29 * 1.550515758e-4, 1e-9);
  EXPECT_NEAR(Angle(table, last_token, 63), 51 * 1.550515758e-4, 1e-9);
}

TEST(Rotary, TurnsInterleavedPairsByTheirAngle) {
  TransformerConfig config = SmallTransformerConfig();
  const RotaryTable table = MakeRotaryTable(config, 2, 1, at::kDouble, at::kCPU);
  at::Tensor x = at::zeros({1, 6, 2, 16}, at::kDouble);
  x[0][0][1][0] = 3.0;  // pair 0: (3, 4), frame axis, frequency 1, frame 2
  x[0][0][1][1] = 4.0;
  const at::Tensor turned = ApplyRotary(x, table);
  EXPECT_NEAR(turned[0][0][1][0].item<double>(), 3 * std::cos(2.0) - 4 * std::sin(2.0), 1e-12);
  EXPECT_NEAR(turned[0][0][1][1].item<double>(), 3 * std::sin(2.0) + 4 * std::cos(2.0), 1e-12);
}

TEST(Rotary, ALaterStartEqualsTheTailOfALongerTable) {
  const TransformerConfig config = SmallTransformerConfig();
  const RotaryTable whole = MakeRotaryTable(config, 0, 9, at::kDouble, at::kCPU);
  const RotaryTable tail = MakeRotaryTable(config, 6, 3, at::kDouble, at::kCPU);
  EXPECT_TRUE(whole.cos.narrow(1, 36, 18).equal(tail.cos));
  EXPECT_TRUE(whole.sin.narrow(1, 36, 18).equal(tail.sin));
}

TEST(Rotary, PositionsBeyondTheReferencesTableOf1024FramesGoOn) {
  const RotaryTable table = MakeRotaryTable(SmallTransformerConfig(), 100000, 1, at::kDouble, at::kCPU);
  EXPECT_NEAR(table.cos[0][0][0][0].item<double>(), std::cos(100000.0), 1e-9);
}

TEST(Rotary, Acceptance5TurningAfterTheGatherEqualsTheGatherAfterTurning) {
  const RotaryTable table = MakeRotaryTable(SmallTransformerConfig(), 3, 3, at::kDouble, at::kCPU);
  const at::Tensor x = FillNoise("x", {2, 18, 2, 16});
  at::Tensor kept = at::zeros({2, 4}, at::kLong);
  const int64_t numbers[2][4] = {{0, 5, 6, 17}, {2, 3, 11, 12}};
  for (int b = 0; b < 2; ++b) {
    for (int i = 0; i < 4; ++i) kept[b][i] = numbers[b][i];
  }
  const auto gather = [&](const at::Tensor& tokens) {
    return tokens.gather(1, kept.view({2, 4, 1, 1}).expand({2, 4, 2, 16}));
  };
  EXPECT_TRUE(ApplyRotary(gather(x), GatherRotary(table, kept)).equal(gather(ApplyRotary(x, table))));
}

TEST(Rotary, ScoresDependOnDistancesOnly) {
  const TransformerConfig config = SmallTransformerConfig();
  const at::Tensor q = FillNoise("q", {1, 6, 2, 16}).to(at::kDouble);
  const at::Tensor k = FillNoise("k", {1, 6, 2, 16}).to(at::kDouble);
  const auto score = [&](int64_t query_frame, int64_t key_frame) {
    const at::Tensor a = ApplyRotary(q, MakeRotaryTable(config, query_frame, 1, at::kDouble, at::kCPU));
    return (a * ApplyRotary(k, MakeRotaryTable(config, key_frame, 1, at::kDouble, at::kCPU))).sum(-1);
  };
  EXPECT_TRUE(at::allclose(score(7, 4), score(103, 100), 1e-10, 1e-10));
}

}  // namespace
}  // namespace videodiffcr
