#include "training/model/block_feed.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/training/tiny_model.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {
namespace {

DiffusionTransformer Tiny(at::ScalarType dtype) { return LoadTransformer(TinyModel(), at::kCPU, dtype).value(); }

bool SameBlock(TransformerConfig config, const BlockWeights& first, const BlockWeights& second) {
  TransformerWeights left, right;
  left.blocks = {first};
  right.blocks = {second};
  config.num_layers = 1;
  const std::vector<WeightRow> lefts = TransformerWeightTable(config, &left),
                               rights = TransformerWeightTable(config, &right);
  int same = 0;
  for (size_t i = 0; i < lefts.size(); ++i) {
    if (!lefts[i].destination->defined()) continue;  // not of the block
    if (!lefts[i].destination->equal(*rights[i].destination)) return false;
    ++same;
  }
  return same > 20;
}

TEST(BlockFeedTest, BlocksComeInTurnsIntoTwoSlots) {
  const DiffusionTransformer network = Tiny(at::kFloat);
  StreamedBlocks blocks(network);
  std::set<const void*> slots;
  for (size_t i = 0; i < network.weights.blocks.size(); ++i) {
    const BlockWeights& block = blocks.Take(i);
    EXPECT_TRUE(SameBlock(network.config, block, network.weights.blocks[i])) << i;
    EXPECT_NE(block.ffn_in.weight.const_data_ptr(), network.weights.blocks[i].ffn_in.weight.const_data_ptr());
    slots.insert(block.ffn_in.weight.const_data_ptr());
  }
  EXPECT_EQ(slots.size(), 2u);
}

TEST(BlockFeedTest, APassThatIsBrokenOffLeavesNothingBehind) {
  const DiffusionTransformer network = Tiny(at::kFloat);
  StreamedBlocks(network).Take(0);
  StreamedBlocks again(network);
  EXPECT_TRUE(SameBlock(network.config, again.Take(0), network.weights.blocks[0]));
}

TEST(BlockFeedTest, MovedBlocksKeepTypeAndValuesInAFewPiecesOfMemory) {
  const DiffusionTransformer before = Tiny(at::kBFloat16);
  DiffusionTransformer moved = before;
  MoveBlocksToHost(at::kCPU, &moved);
  ASSERT_EQ(moved.weights.blocks.size(), before.weights.blocks.size());
  std::set<const void*> pieces;
  for (size_t i = 0; i < moved.weights.blocks.size(); ++i) {
    EXPECT_TRUE(SameBlock(before.config, moved.weights.blocks[i], before.weights.blocks[i])) << i;
    EXPECT_EQ(moved.weights.blocks[i].modulation.scalar_type(), at::kBFloat16);
    pieces.insert(moved.weights.blocks[i].ffn_out.weight.storage().data());
  }
  EXPECT_EQ(pieces.size(), 1u);
  EXPECT_NE(moved.weights.blocks[0].modulation.const_data_ptr(), before.weights.blocks[0].modulation.const_data_ptr());
  EXPECT_TRUE(moved.weights.head.weight.equal(before.weights.head.weight));
}

// Where all is on one device nothing is copied, and passes may carry gradients.
TEST(BlockFeedTest, BlocksOnTheDeviceAreHandedOutAsTheyAre) {
  const DiffusionTransformer network = Tiny(at::kFloat);
  const auto blocks = FeedBlocks(network);
  EXPECT_EQ(&blocks->Take(0), &network.weights.blocks[0]);
  EXPECT_EQ(&blocks->Take(1), &network.weights.blocks[1]);
}

}  // namespace
}  // namespace videodiffcr::training
