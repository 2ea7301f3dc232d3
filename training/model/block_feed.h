// The blocks of a network, handed out in order for one pass, wherever their weights lie.
//
// A frozen network that is larger than what the device has left keeps its blocks in the host's memory. Of these a pass
// has two on the device: while one computes, the next one is copied, on a stream of its own, so that a pass takes no
// longer as long as a block computes longer than it travels.
#ifndef VIDEODIFFCR_TRAINING_MODEL_BLOCK_FEED_H_
#define VIDEODIFFCR_TRAINING_MODEL_BLOCK_FEED_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>

#include "model/plain/transformer/diffusion_transformer.h"

namespace videodiffcr::training {

// Moves the weights of the blocks, but not routers, into host memory that `device` can copy from by itself (pinned; on
// a CPU plain memory), and all others to `device`. One tensor after the other: no second copy of the network is made.
// Throws as LibTorch does when the host's memory is not enough.
void MoveBlocksToHost(at::Device device, DiffusionTransformer* model);

class BlockFeed {
 public:
  virtual ~BlockFeed() = default;

  // Block `index`, without its router unless the blocks are on the device: 0, then 1, and so on. What the current
  // stream is asked for until the next call sees its weights.
  virtual const BlockWeights& Take(size_t index) = 0;
};

// Hands out the blocks as they are: for passes with gradients, too.
class ResidentBlocks final : public BlockFeed {
 public:
  // `model` outlives this.
  explicit ResidentBlocks(const DiffusionTransformer& model) : model_(model) {}
  const BlockWeights& Take(size_t index) override { return model_.weights.blocks[index]; }

 private:
  const DiffusionTransformer& model_;
};

// Copies the blocks to the device on which the rest of the network is, two at a time. For one pass without gradients.
class StreamedBlocks final : public BlockFeed {
 public:
  // `model` outlives this.
  explicit StreamedBlocks(const DiffusionTransformer& model);
  ~StreamedBlocks() override;
  StreamedBlocks(const StreamedBlocks&) = delete;
  StreamedBlocks& operator=(const StreamedBlocks&) = delete;

  const BlockWeights& Take(size_t index) override;

 private:
  class CopyStream;

  void Copy(size_t index);

  const DiffusionTransformer& model_;
  TransformerWeights slots_[2];  // a block each, and nothing else
  std::unique_ptr<CopyStream> copies_;
  size_t copied_ = 0;  // blocks whose copy was asked for
  size_t taken_ = 0;
};

// For one pass of `model`, which outlives it: streamed where the blocks are not on the device of the rest.
std::unique_ptr<BlockFeed> FeedBlocks(const DiffusionTransformer& model);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_BLOCK_FEED_H_
