#include "training/students/token_memory.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isin.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "model/plain/transformer/selection.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kTokens = 18, kFrames = 3;

at::Tensor Scores(const char* name) { return FillNoise(name, {2, kTokens}); }

// Whether all of `fewer` [B, k] are in `more`, row by row.
bool Within(const at::Tensor& fewer, const at::Tensor& more) {
  for (int64_t row = 0; row < fewer.size(0); ++row) {
    if (!at::isin(fewer[row], more[row]).all().item<bool>()) return false;
  }
  return true;
}

TEST(TokenMemoryTest, WithoutWeightsItChoosesAsTheScoresSay) {
  TokenMemory memory({}, 2);
  memory.Selector(0, 1, kFrames, 0)(Scores("a"), 5);
  EXPECT_TRUE(memory.Selector(1, 1, kFrames, 0)(Scores("b"), 9).equal(SelectTokens(Scores("b"), 9)));
}

TEST(TokenMemoryTest, StrongHysteresisKeepsWhatTheSameBlockKeptInTheStepBefore) {
  TokenMemory memory({.hysteresis = 100}, 2);
  const at::Tensor first = memory.Selector(0, 1, kFrames, 0)(Scores("a"), 5);
  EXPECT_FALSE(Within(first, SelectTokens(Scores("b"), 9))) << "or this test says nothing";
  EXPECT_TRUE(Within(first, memory.Selector(1, 1, kFrames, 0)(Scores("b"), 9)));
  EXPECT_TRUE(memory.Selector(1, 0, kFrames, 0)(Scores("b"), 9).equal(SelectTokens(Scores("b"), 9)))
      << "another block has kept nothing";
}

TEST(TokenMemoryTest, AChunkBeginsWithoutWhatTheLastOneKept) {
  TokenMemory memory({.hysteresis = 100}, 1);
  memory.Selector(0, 0, kFrames, 0)(Scores("a"), 5);
  EXPECT_TRUE(memory.Selector(0, 0, kFrames, 0)(Scores("b"), 5).equal(SelectTokens(Scores("b"), 5)));
}

// What a finished chunk's mean query looks at, place by place, is what a strong anchor keeps of every frame.
TEST(TokenMemoryTest, AStrongAnchorKeepsThePlacesThatTheChunkBeforeLookedAt) {
  at::set_num_threads(1);
  const DiffusionTransformer model = MakeSmallRoutedTransformer();
  const at::Tensor x = FillNoise("x", {2, kTokens, 32}), time = FillNoise("time", {2, kFrames, 6, 32});
  const KeysValues past, text = {FillNoise("text_k", {2, 8, 2, 16}), FillNoise("text_v", {2, 8, 2, 16})};
  const ChunkPositions positions = MakePositions(model, 0, kFrames, 0);
  const BlockContext context = {2, 1e-6, time, past, positions, text};
  const BlockOutput output = DenseBlock(model.weights.blocks[0], context, x);
  const RanBlock ran = {0, model.weights.blocks[0], context, x, output, 0};
  CacheRule saliency;
  saliency.score = CacheScore::kSaliency;
  const at::Tensor looked = RankCachedKeys(saliency, ran).unflatten(1, {kFrames, -1}).mean(1);  // [B, S]

  TokenMemory memory({.anchor = 1000}, 1);
  memory.Look(ran);
  const at::Tensor kept = memory.Selector(0, 0, kFrames, 0)(Scores("a"), 2 * kFrames);
  const at::Tensor places = SelectTokens(looked, 2);
  EXPECT_TRUE(Within(kept.remainder(kTokens / kFrames), places));
}

}  // namespace
}  // namespace videodiffcr::training
