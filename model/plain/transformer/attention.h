// Self- and cross-attention, causal_wan_dit.md section 5 steps 2 to 6.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ATTENTION_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ATTENTION_H_

#include <ATen/core/Tensor.h>

#include <optional>

#include "model/plain/transformer/rotary.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

// Keys and values of some tokens, in the order of age.
struct KeysValues {
  at::Tensor k;  // [B, L, N, d]
  at::Tensor v;  // [B, L, N, d]
  // Of a cache that does not keep everything: which of the L may be attended to, bool [B, L]. Undefined: all.
  at::Tensor seen = {};
};

// Where the tokens of a pass are.
struct ChunkPositions {
  RotaryTable chunk;  // of the chunk's tokens
  // Window-relative positions only: of the past keys, which were cached un-rotated and are turned when they are read.
  std::optional<RotaryTable> past;
};

// RMS_gq(W_q x + b_q) split into heads: x [B, L, D] -> [B, L, N, d]. The norm spans all heads together.
at::Tensor Queries(const AttentionWeights& weights, const at::Tensor& x, int64_t num_heads, double eps);

// RMS_gk(W_k x + b_k) and W_v x + b_v split into heads: x [B, L, D] -> [B, L, N, d] each.
KeysValues MakeKeysValues(const AttentionWeights& weights, const at::Tensor& x, int64_t num_heads, double eps);

// softmax(q Kt / sqrt(d)) V over the keys that may be seen: q [B, L, N, d] -> [B, L, D].
at::Tensor Attend(const at::Tensor& q, const KeysValues& keys);

// `past` followed by `chunk`; `past` may have undefined tensors: nothing came before. Of rows that lie behind each
// other in one memory already and carry no gradients, as a serving pool's do, both are one view.
KeysValues Concatenate(const KeysValues& past, const KeysValues& chunk);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ATTENTION_H_
