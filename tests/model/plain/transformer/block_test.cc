#include "model/plain/transformer/block.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

#include <limits>

#include "gtest/gtest.h"
#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr {
namespace {

// The first block of the small network with a past of one chunk, in fp32, for a batch of two.
class BlockTest : public ::testing::TestWithParam<RopePositions> {
 protected:
  BlockTest() {
    TransformerConfig config = SmallTransformerConfig();
    config.rope_positions = GetParam();
    model_ = MakeSmallRoutedTransformer(config);
    x_ = FillNoise("x", {2, 18, 32});
    time_ = FillNoise("time", {2, 3, 6, 32});
    past_ = {FillNoise("past_k", {2, 18, 2, 16}), FillNoise("past_v", {2, 18, 2, 16})};
    text_ = {FillNoise("text_k", {2, 8, 2, 16}), FillNoise("text_v", {2, 8, 2, 16})};
    positions_ = MakePositions(model_, 3, 3, 18);
  }

  BlockContext Context() { return {2, 1e-6, time_, past_, positions_, text_}; }
  const BlockWeights& weights() { return model_.weights.blocks[0]; }

  DiffusionTransformer model_;
  at::Tensor x_, time_;
  KeysValues past_, text_;
  ChunkPositions positions_;
};

INSTANTIATE_TEST_SUITE_P(Positions, BlockTest,
                         ::testing::Values(RopePositions::kAbsolute, RopePositions::kWindowRelative));

TEST_P(BlockTest, Acceptance2RoutedWithAllRowsAndNoGateEqualsDense) {
  const BlockOutput dense = DenseBlock(weights(), Context(), x_);
  for (const KvMode kv_mode : {KvMode::kKept, KvMode::kFull}) {
    const BlockOutput routed = RoutedBlock(weights(), Context(), {RouterGate::kNone, kv_mode, 0.0}, 18, x_);
    EXPECT_TRUE(at::allclose(routed.x, dense.x, 1e-5, 1e-5));
    EXPECT_TRUE(at::allclose(routed.chunk.k, dense.chunk.k, 1e-5, 1e-5));
    EXPECT_TRUE(at::allclose(routed.chunk.v, dense.chunk.v, 1e-5, 1e-5));
  }
}

TEST_P(BlockTest, ABypassGivesTheRowsThatAreNotKeptAndNoOther) {
  BlockWeights with = weights();
  with.bypass = {FillNoise("down", {4, 32}), FillNoise("up", {32, 4})};
  const BlockOutput without = RoutedBlock(weights(), Context(), RoutingRule(), 7, x_);
  const at::Tensor kept = without.kept.unsqueeze(-1).expand({2, 7, 32});
  const at::Tensor hidden = at::silu(at::linear(LayerNorm(x_, 1e-6), with.bypass->down));
  const at::Tensor expected = (x_ + at::linear(hidden, with.bypass->up)).scatter(1, kept, without.x.gather(1, kept));
  EXPECT_TRUE(RoutedBlock(with, Context(), RoutingRule(), 7, x_).x.equal(expected));
  EXPECT_FALSE(expected.equal(without.x));
}

TEST_P(BlockTest, Acceptance3BypassedRowsLeaveAsTheyCame) {
  const BlockOutput routed = RoutedBlock(weights(), Context(), RoutingRule(), 7, x_);
  ASSERT_EQ(routed.kept.sizes().vec(), (std::vector<int64_t>{2, 7}));
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t token = 0; token < 18; ++token) {
      const bool is_kept = routed.kept[b].eq(token).any().item<bool>();
      EXPECT_EQ(routed.x[b][token].equal(x_[b][token]), !is_kept) << "batch " << b << ", token " << token;
    }
  }
}

TEST_P(BlockTest, KeepsTheTokensThatAnotherScorerRanksHighest) {
  RoutingRule rule = {RouterGate::kNone, KvMode::kKept, 0.0, {}};
  rule.scorer = [](const BlockWeights&, const BlockContext&, const at::Tensor& x) {
    return at::arange(x.size(1), at::TensorOptions(at::kFloat)).expand({x.size(0), x.size(1)});
  };
  const BlockOutput routed = RoutedBlock(weights(), Context(), rule, 7, x_);
  for (int64_t b = 0; b < 2; ++b) EXPECT_TRUE(routed.kept[b].equal(at::arange(11, 18)));
}

TEST_P(BlockTest, ImposedTokensAreKeptWhileTheirOwnScoresGateThem) {
  const at::Tensor imposed = at::arange(3, 10).expand({2, 7});
  RoutingRule rule;
  rule.selector = [&](const at::Tensor&, int64_t) { return imposed; };
  const BlockOutput routed = RoutedBlock(weights(), Context(), rule, 7, x_);
  const BlockOutput left_alone = RoutedBlock(weights(), Context(), RoutingRule(), 7, x_);
  ASSERT_FALSE(left_alone.kept.equal(imposed));
  EXPECT_TRUE(routed.kept.equal(imposed));
  EXPECT_TRUE(routed.scores.equal(left_alone.scores));
  // Scores and gates do not care how the tokens were chosen: a scorer that puts the imposed ones first changes both.
  rule.scorer = [](const BlockWeights&, const BlockContext&, const at::Tensor& x) {
    return at::arange(x.size(1), at::TensorOptions(at::kFloat)).expand({x.size(0), x.size(1)});
  };
  EXPECT_FALSE(RoutedBlock(weights(), Context(), rule, 7, x_).x.equal(routed.x));
  rule.gate = RouterGate::kNone;
  const BlockOutput open = RoutedBlock(weights(), Context(), rule, 7, x_);
  rule.scorer = {};
  EXPECT_TRUE(RoutedBlock(weights(), Context(), rule, 7, x_).x.equal(open.x));
}

TEST_P(BlockTest, KeysOfAllRowsAreMadeFromTheBlocksInputWhenKvModeIsFull) {
  const BlockOutput dense = DenseBlock(weights(), Context(), x_);
  const BlockOutput full = RoutedBlock(weights(), Context(), {RouterGate::kTwoSigmoid, KvMode::kFull, 0}, 7, x_);
  EXPECT_TRUE(full.chunk.k.equal(dense.chunk.k));
  EXPECT_TRUE(full.chunk.v.equal(dense.chunk.v));
  const BlockOutput kept = RoutedBlock(weights(), Context(), {RouterGate::kTwoSigmoid, KvMode::kKept, 0}, 7, x_);
  EXPECT_EQ(kept.chunk.k.size(1), 7);
}

TEST_P(BlockTest, TheGateScalesTheFeedForwardResidualAlone) {
  const BlockOutput open = RoutedBlock(weights(), Context(), {RouterGate::kNone, KvMode::kKept, 0}, 9, x_);
  const BlockOutput gated = RoutedBlock(weights(), Context(), {RouterGate::kTwoSigmoid, KvMode::kKept, 0}, 9, x_);
  const BlockOutput half = RoutedBlock(weights(), Context(), {RouterGate::kSigmoid, KvMode::kKept, 0}, 9, x_);
  // gated = x2 + g f, half = x2 + g/2 f, open = x2 + f: so the three are collinear with the gate known.
  const auto kept_rows = [&](const at::Tensor& x) { return x.gather(1, open.kept.unsqueeze(-1).expand({2, 9, 32})); };
  const at::Tensor g = GateFromScores(open.scores.gather(1, open.kept), RouterGate::kTwoSigmoid, at::kFloat);
  const at::Tensor g_times_feed = 2 * (kept_rows(gated.x) - kept_rows(half.x));
  const at::Tensor after_cross = kept_rows(gated.x) - g_times_feed;
  EXPECT_TRUE(at::allclose(kept_rows(open.x), after_cross + g_times_feed / g, 1e-4, 1e-4));
}

TEST_P(BlockTest, EachOfABatchIsComputedAsIfAlone) {
  const BlockOutput both = RoutedBlock(weights(), Context(), RoutingRule(), 7, x_);
  for (int64_t b = 0; b < 2; ++b) {
    const at::Tensor time = time_.narrow(0, b, 1);
    const KeysValues past = {past_.k.narrow(0, b, 1), past_.v.narrow(0, b, 1)};
    const KeysValues text = {text_.k.narrow(0, b, 1), text_.v.narrow(0, b, 1)};
    const BlockContext context = {2, 1e-6, time, past, positions_, text};
    const BlockOutput alone = RoutedBlock(weights(), context, RoutingRule(), 7, x_.narrow(0, b, 1));
    EXPECT_TRUE(alone.kept.equal(both.kept.narrow(0, b, 1)));
    EXPECT_TRUE(at::allclose(alone.x, both.x.narrow(0, b, 1), 1e-5, 1e-5));
  }
}

TEST_P(BlockTest, GradientsReachWeightsRouterPastAndInput) {
  DiffusionTransformer model = model_;
  BlockWeights& block = model.weights.blocks[0];
  at::Tensor* const leaves[] = {&block.modulation,
                                &block.ffn_in.weight,
                                &block.self_attn.k.weight,
                                &block.router->down.weight,
                                &block.router->mix,
                                &block.router->score,
                                &past_.k,
                                &x_};
  for (at::Tensor* leaf : leaves) {
    *leaf = leaf->clone();
    leaf->set_requires_grad(true);
  }
  const BlockOutput routed = RoutedBlock(block, Context(), RoutingRule(), 7, x_);
  routed.x.square().sum().backward();
  for (at::Tensor* leaf : leaves) {
    ASSERT_TRUE(leaf->grad().defined());
    EXPECT_GT(leaf->grad().abs().sum().item<double>(), 0);
  }
}

// In float64, one weight of the router: the gradient that the gate carries against a central difference.
TEST_P(BlockTest, TheRoutersGradientIsTheSlopeOfTheLoss) {
  const auto widen = [](at::Tensor* tensor) { *tensor = tensor->to(at::kDouble); };
  for (const WeightRow& row : TransformerWeightTable(model_.config, &model_.weights)) widen(row.destination);
  RouterWeights& router = *model_.weights.blocks[0].router;
  for (at::Tensor* tensor : {&router.down.weight, &router.down.bias, &router.mix, &router.score, &x_, &time_, &past_.k,
                             &past_.v, &text_.k, &text_.v}) {
    widen(tensor);
  }
  const auto loss = [&] {
    return RoutedBlock(model_.weights.blocks[0], Context(), RoutingRule(), 7, x_).x.square().sum();
  };
  const at::Tensor score = router.score.clone();
  router.score = score.clone().set_requires_grad(true);
  loss().backward();
  const double slope = router.score.grad()[0][3].item<double>();
  const double step = 1e-5;
  router.score = score.clone();
  router.score[0][3] += step;
  const double above = loss().item<double>();
  router.score[0][3] -= 2 * step;
  const double below = loss().item<double>();
  EXPECT_NEAR(slope, (above - below) / (2 * step), 1e-4 * std::abs(slope) + 1e-4);
}

}  // namespace
}  // namespace videodiffcr
