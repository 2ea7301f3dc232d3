// Rotary positions over time, height and width (causal_wan_dit.md section 6).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ROTARY_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ROTARY_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "model/config/model_config.h"

namespace videodiffcr {

// How the d/2 pairs of a head are shared between the frame, row and column axes:
// [c - 2 floor(c/3), floor(c/3), floor(c/3)].
constexpr std::array<int64_t, 3> RotaryPairs(int64_t head_dim) {
  const int64_t pairs = head_dim / 2;
  return {pairs - 2 * (pairs / 3), pairs / 3, pairs / 3};
}

// Angles of a run of tokens. The first axis is 1 when all of a batch share them, else the batch.
struct RotaryTable {
  at::Tensor cos;  // [1 or B, L, 1, d/2]
  at::Tensor sin;  // [1 or B, L, 1, d/2]
};

// Angles of `frames` whole latent frames from `first_frame` on; rows and columns start at 0. Computed in float64 on
// `device`, where no copy makes the host wait, then stored as `dtype` (float64 is what the reference multiplies in).
RotaryTable MakeRotaryTable(const TransformerConfig& config, int64_t first_frame, int64_t frames, at::ScalarType dtype,
                            at::Device device);

// The angles of the tokens `kept` [B, k] of `table`, which must be shared by the batch.
RotaryTable GatherRotary(const RotaryTable& table, const at::Tensor& kept);

// Turns the pairs (2j, 2j+1) of each head: x [B, L, N, d] -> the same shape and type. Computed in the table's type.
at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ROTARY_H_
