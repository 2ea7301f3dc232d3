#include "training/students/cache_aware_routers.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>

#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kFrames = 3, kPlaces = 6;
constexpr size_t kBlock = 1;

// The second block of the small network on a first chunk of 18 tokens, half of which it keeps.
class CacheAwareRoutersTest : public testing::Test {
 protected:
  CacheAwareRoutersTest() {
    at::set_num_threads(1);
    model_ = MakeSmallRoutedTransformer();
    config_.transformer = model_.config;
    config_.retention.router_dim = 8;
    x_ = FillNoise("x", {2, kFrames * kPlaces, 32});
    time_ = FillNoise("time", {2, kFrames, 6, 32});
    text_ = {FillNoise("text_k", {2, 8, 2, 16}), FillNoise("text_v", {2, 8, 2, 16})};
    positions_ = MakePositions(model_, 0, kFrames, 0);
    past_ = PastFeatures(weights(), Context(), FillNoise("before", x_.sizes().vec()));
    InitializeCacheAware(CacheAwareTable(config_, &cache_aware_), at::kCPU);
  }

  BlockContext Context() { return {2, 1e-6, time_, nothing_, positions_, text_}; }
  const BlockWeights& weights() { return model_.weights.blocks[kBlock]; }
  void Train() { cache_aware_.past_mix = FillNoise("past_mix", cache_aware_.past_mix.sizes().vec()); }
  BlockOutput Run(const RoutingRule& rule) { return RunBlock(weights(), Context(), rule, 5, x_); }
  RoutingRule Rule() { return CacheAwareRule(cache_aware_, kBlock, past_, {}); }

  DiffusionTransformer model_;
  ModelConfig config_;
  at::Tensor x_, time_, past_;
  KeysValues nothing_, text_;
  ChunkPositions positions_;
  CacheAwareRouters cache_aware_;
};

TEST_F(CacheAwareRoutersTest, UntrainedTheyChangeNothingBitForBit) {
  const BlockOutput with = Run(Rule()), without = Run({});
  EXPECT_TRUE(with.x.equal(without.x));
  EXPECT_TRUE(with.scores.equal(without.scores));
  Train();
  EXPECT_FALSE(Run(Rule()).scores.equal(without.scores)) << "or this test says nothing";
}

// The column beside `mix`, as section 9, 1 writes it: the last frame of the chunk before is one frame more to mix.
TEST_F(CacheAwareRoutersTest, ARouterMixesTheLastFrameOfTheChunkBeforeAsOneMore) {
  Train();
  const RouterWeights& router = *weights().router;
  const at::Tensor z = RouterFeatures(router, LayerNorm(x_, 1e-6)).unflatten(1, {kFrames, kPlaces});
  const at::Tensor mix = at::cat({router.mix, cache_aware_.past_mix[kBlock].unsqueeze(2)}, 2);  // [r, C, C + 1]
  const at::Tensor u = at::einsum("cgf,bfsc->bgsc", {mix, at::cat({z, past_.unsqueeze(1)}, 1)});
  const at::Tensor expected = at::linear(at::silu(u), router.score).flatten(1);
  EXPECT_TRUE(at::allclose(Run(Rule()).scores, expected, 1e-5, 1e-6));
}

TEST_F(CacheAwareRoutersTest, OfAFinishedChunkTheLastFrameIsSeen) {
  const at::Tensor last = x_.narrow(1, (kFrames - 1) * kPlaces, kPlaces);
  const at::Tensor seen = PastFeatures(weights(), Context(), x_);
  EXPECT_TRUE(at::allclose(seen, RouterFeatures(*weights().router, LayerNorm(last, 1e-6)), 1e-6, 1e-6));
}

TEST_F(CacheAwareRoutersTest, AFirstChunkIsRankedAsWithoutAndAnotherScorerStays) {
  Train();
  EXPECT_FALSE(CacheAwareRule(cache_aware_, kBlock, {}, {}).scorer);
  RoutingRule other;
  other.scorer = [](const BlockWeights&, const BlockContext&, const at::Tensor& x) { return x.select(2, 0); };
  EXPECT_TRUE(Run(CacheAwareRule(cache_aware_, kBlock, past_, other)).scores.equal(x_.select(2, 0)));
}

}  // namespace
}  // namespace videodiffcr::training
