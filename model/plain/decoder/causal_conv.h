// Convolution over time that never looks ahead: what it needs of the past is carried (wan_vae.md sections 3 and 6).
// Shapes: x [1, C, T, H, W]; a history [1, C, 2, H, W].
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_CAUSAL_CONV_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_CAUSAL_CONV_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/plain/decoder/memory_block.h"

namespace videodiffcr {

// Frames that a kernel of three looks back.
inline constexpr int64_t kHistoryFrames = 2;

// Kernel [out, in, 3, k, k] with k 1 or 3; keeps T, H and W. `history`: in, the two input frames before x (undefined:
// zeros); out, the last two of both together.
at::Tensor CausalConv(const at::Tensor& x, const ConvWeights& conv, at::Tensor* history);

// Kernel [out, in, 1, 1, 1]: looks neither back nor around.
at::Tensor PointConv(const at::Tensor& x, const ConvWeights& conv);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_CAUSAL_CONV_H_
