// What TAEHV-class autoencoders are made of: 2-D convolutions per frame, and blocks that also see the frame before
// (wan_vae.md section 9). Plain tensor code: it carries gradients when the weights do.
//
// Shapes: x [clips, frames, C, H, W]; a block's memory [clips, C, H, W], its input at the frame before, per clip.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_MEMORY_BLOCK_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_MEMORY_BLOCK_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/weights/weight_table.h"

namespace videodiffcr {

struct ConvWeights {
  at::Tensor weight;  // [out, in, rows, columns], or [out, in, frames, rows, columns]
  at::Tensor bias;    // [out]; undefined when the convolution has none
};

// `weight` has the shape of the kernel, [out, in, ...].
void AddConv(const std::string& name, const std::vector<int64_t>& shape, bool bias, ConvWeights* conv,
             std::vector<WeightRow>* rows);

// Keeps the size, or halves it with `stride` 2. Kernel 1x1 or 3x3, padded with zeros.
at::Tensor FrameConv(const at::Tensor& x, const ConvWeights& conv, int64_t stride = 1);

struct MemoryBlockWeights {
  ConvWeights a;  // [C, 2C, 3, 3]: this frame, then the frame before
  ConvWeights b;  // [C, C, 3, 3]
  ConvWeights c;  // [C, C, 3, 3]
};

// `convs`: the names of a, b and c in the checkpoint, each with its dot, for example ".conv.0".
void AddMemoryBlock(const std::string& name, const std::array<std::string, 3>& convs, int64_t channels,
                    MemoryBlockWeights* block, std::vector<WeightRow>* rows);

// relu(c(relu(b(relu(a([x_t, x_{t-1}]))))) + x_t) for every frame t. `memory`: in, what came before the first frame
// (undefined: zeros); out, the last frame of x.
at::Tensor MemoryBlock(const MemoryBlockWeights& block, const at::Tensor& x, at::Tensor* memory);

// 1x1 convolution, then each frame becomes `factor` frames, the first group of channels the earliest:
// [clips, frames, C, H, W] -> [clips, factor frames, C', H, W].
at::Tensor GrowFrames(const at::Tensor& x, const at::Tensor& weight, int64_t factor);

// [clips, frames, C, H, W] -> [clips, frames / factor, out, H, W]: successive frames side by side, then 1x1.
at::Tensor PoolFrames(const at::Tensor& x, const at::Tensor& weight, int64_t factor);

// Doubles H and W, each pixel four times.
at::Tensor UpsampleNearest(const at::Tensor& x);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_MEMORY_BLOCK_H_
