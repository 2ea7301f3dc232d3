#include "model/plain/decoder/memory_block.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros_like.h>

namespace videodiffcr {

void AddConv(const std::string& name, const std::vector<int64_t>& shape, bool bias, ConvWeights* conv,
             std::vector<WeightRow>* rows) {
  rows->push_back({name + ".weight", shape, &conv->weight});
  if (bias) rows->push_back({name + ".bias", {shape[0]}, &conv->bias});
}

at::Tensor FrameConv(const at::Tensor& x, const ConvWeights& conv, int64_t stride) {
  const int64_t padding = conv.weight.size(-1) / 2;
  const at::Tensor y = at::conv2d(x.flatten(0, 1), conv.weight, conv.bias, stride, padding);
  return y.unflatten(0, {x.size(0), x.size(1)});
}

void AddMemoryBlock(const std::string& name, const std::array<std::string, 3>& convs, int64_t channels,
                    MemoryBlockWeights* block, std::vector<WeightRow>* rows) {
  AddConv(name + convs[0], {channels, 2 * channels, 3, 3}, true, &block->a, rows);
  AddConv(name + convs[1], {channels, channels, 3, 3}, true, &block->b, rows);
  AddConv(name + convs[2], {channels, channels, 3, 3}, true, &block->c, rows);
}

at::Tensor MemoryBlock(const MemoryBlockWeights& block, const at::Tensor& x, at::Tensor* memory) {
  const int64_t frames = x.size(1);
  const at::Tensor first = memory->defined() ? memory->unsqueeze(1) : at::zeros_like(x.narrow(1, 0, 1));
  const at::Tensor before = at::cat({first, x.narrow(1, 0, frames - 1)}, 1);
  *memory = x.select(1, frames - 1);
  const at::Tensor a = at::relu(FrameConv(at::cat({x, before}, 2), block.a));
  const at::Tensor b = at::relu(FrameConv(a, block.b));
  return at::relu(FrameConv(b, block.c) + x);
}

at::Tensor GrowFrames(const at::Tensor& x, const at::Tensor& weight, int64_t factor) {
  const at::Tensor y = FrameConv(x, {weight, {}});
  return y.reshape({x.size(0), x.size(1) * factor, y.size(2) / factor, x.size(3), x.size(4)});
}

at::Tensor PoolFrames(const at::Tensor& x, const at::Tensor& weight, int64_t factor) {
  const at::Tensor pairs = x.reshape({x.size(0), x.size(1) / factor, x.size(2) * factor, x.size(3), x.size(4)});
  return FrameConv(pairs, {weight, {}});
}

at::Tensor UpsampleNearest(const at::Tensor& x) {
  const at::Tensor y = at::upsample_nearest2d(x.flatten(0, 1), {2 * x.size(3), 2 * x.size(4)});
  return y.unflatten(0, {x.size(0), x.size(1)});
}

}  // namespace videodiffcr
