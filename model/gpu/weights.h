// The transformer's weights as the GPU path wants them. Made once, then const and shared by all sessions.
#ifndef VIDEODIFFCR_MODEL_GPU_WEIGHTS_H_
#define VIDEODIFFCR_MODEL_GPU_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/gpu/linear.h"
#include "model/gpu/precision.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr::gpu {

struct GpuRouter {
  at::Tensor down;   // [r, D] in the activations' type
  at::Tensor bias;   // [r] fp32, and so are the others
  at::Tensor mix;    // [to frame, from frame, r]
  at::Tensor score;  // [r]
};

// videodiffcr.md section 9, 6.
struct GpuBypass {
  at::Tensor down;  // [rank, D] in the activations' type
  at::Tensor up;    // [rank, D] fp32, transposed: columns of the stream lie beside each other
};

struct GpuBlock {
  GpuLinear qkv;  // queries, keys, values
  GpuLinear self_out;
  GpuLinear cross_q, cross_kv, cross_out;
  GpuLinear ffn_in, ffn_out;
  kernels::OutputBound ffn_in_bound;                      // of fp8 alone
  at::Tensor norm_q, norm_k, cross_norm_q, cross_norm_k;  // [D] fp32
  at::Tensor norm3_weight, norm3_bias;                    // [D] fp32
  std::optional<GpuRouter> router;
  std::optional<GpuBypass> bypass;
};

struct GpuTransformerWeights {
  GpuLinear patch_embedding;  // fp32: its input and output are
  GpuLinear text_in, text_out;
  std::vector<GpuBlock> blocks;
  GpuLinear head;  // fp32

  // By timestep: the denoising steps in order, then that of the context pass (causal_wan_dit.md section 11).
  // Rows of the block's table: shift, 1 + scale, gate of self-attention, then of the feed-forward layer.
  at::Tensor modulation;              // [timesteps, layers, 6, D] fp32
  at::Tensor head_shift, head_scale;  // [timesteps, D] fp32; scale holds 1 + scale
};

// InvalidArgument when a size does not suit the kernels.
absl::Status CheckSizes(const TransformerConfig& config, Precision precision);

// `weights`: on the GPU, of any floating type; those that are as the kernels want them are shared. `timesteps`: on the
// 0..1000 scale. Errors of CheckSizes().
absl::StatusOr<GpuTransformerWeights> MakeGpuWeights(const TransformerConfig& config, const TransformerWeights& weights,
                                                     const std::vector<float>& timesteps, Precision precision);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_WEIGHTS_H_
