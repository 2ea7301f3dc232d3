// The transformer's weights as the CPU serving path wants them: fp32, contiguous, q/k/v in one matrix, modulation
// tabulated for the few timesteps of the rollout. Made once from TransformerWeights, then const and shared by all
// sessions.
#ifndef VIDEODIFFCR_MODEL_CPU_WEIGHTS_H_
#define VIDEODIFFCR_MODEL_CPU_WEIGHTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/cpu/float_buffer.h"
#include "model/cpu/gemm.h"

namespace videodiffcr {
struct TransformerWeights;
}

namespace videodiffcr::cpu {

// y = x W^T + b. weight: [out, in]; bias: [out].
struct PackedLinear {
  int64_t out = 0, in = 0;
  FloatBuffer weight;
  FloatBuffer bias;

  ConstMatrix matrix() const { return {weight.data(), in}; }
  // Rows [first, out) of the weight.
  ConstMatrix matrix_from(int64_t first) const { return {weight.data() + first * in, in}; }
};

// out[rows] = in[rows] W^T, without the bias: the next kernel adds it.
void Apply(const PackedLinear& linear, const float* in, int64_t rows, float* out);

// videodiffcr.md section 2.2.
struct PackedRouter {
  PackedLinear down;  // [r, D]
  FloatBuffer mix;    // [C, C, r]: [to frame, from frame, channel], channel innermost
  FloatBuffer score;  // [r]
};

// videodiffcr.md section 9, 6. Without biases.
struct PackedBypass {
  PackedLinear down;  // [rank, D]
  PackedLinear up;    // [D, rank]
};

struct PackedBlock {
  PackedLinear qkv;            // [3D, D]: queries, keys, values
  FloatBuffer norm_q, norm_k;  // [D]
  PackedLinear self_out;       // [D, D]
  FloatBuffer norm3_weight, norm3_bias;
  PackedLinear cross_q, cross_k, cross_v, cross_out;
  FloatBuffer cross_norm_q, cross_norm_k;
  PackedLinear ffn_in, ffn_out;
  std::optional<PackedRouter> router;
  std::optional<PackedBypass> bypass;
};

// The six modulation vectors of a block at one timestep, [6, D] (causal_wan_dit.md section 5): shift, 1 + scale, gate
// of the self-attention, then the same of the feed-forward layer.
struct ModulationVectors {
  FloatBuffer values;
  int64_t dim = 0;
  const float* shift_attention() const { return values.data(); }
  const float* scale_attention() const { return values.data() + dim; }
  const float* gate_attention() const { return values.data() + 2 * dim; }
  const float* shift_ffn() const { return values.data() + 3 * dim; }
  const float* scale_ffn() const { return values.data() + 4 * dim; }
  const float* gate_ffn() const { return values.data() + 5 * dim; }
};

struct PackedTransformer {
  PackedLinear patch_embedding;  // [D, in_dim * patch]
  PackedLinear text_in, text_out;
  std::vector<PackedBlock> blocks;
  PackedLinear head;  // [patch * out_dim, D]

  // Tabulated per timestep: the denoising steps in order, then 0 for the context pass.
  std::vector<std::vector<ModulationVectors>> modulation;  // [timestep][block]
  std::vector<FloatBuffer> head_shift, head_scale;         // [timestep][D]; scale holds 1 + scale
};

// `timesteps`: on the 0..1000 scale, fp32 as the rollout uses them. Tensors may be of any floating type and are
// widened.
PackedTransformer PackTransformer(const TransformerConfig& config, const TransformerWeights& weights,
                                  const std::vector<float>& timesteps);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_WEIGHTS_H_
