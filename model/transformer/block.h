// One layer of the transformer, dense or routed (causal_wan_dit.md section 5; videodiffcr.md sections 1.3 and 4.1).
#ifndef VIDEODIFFCR_MODEL_TRANSFORMER_BLOCK_H_
#define VIDEODIFFCR_MODEL_TRANSFORMER_BLOCK_H_

#include <ATen/core/Tensor.h>

#include "model/config/retention_table.h"
#include "model/transformer/attention.h"
#include "model/transformer/transformer_weights.h"

namespace videodiffcr {

// What all tokens of a pass share with a block. References live in the caller's pass.
struct BlockContext {
  int64_t num_heads = 0;
  double eps = 1e-6;
  const at::Tensor& time;           // e0 [B, F, 6, D]
  const KeysValues& past;           // of this block; undefined tensors when the chunk is the first
  const ChunkPositions& positions;  // of the chunk's N tokens, and of `past` when keys are cached un-rotated
  const KeysValues& text;           // of this block, [B, text_len, N, d]
};

// How a routed block goes about it; how many rows it keeps is a number of its own.
struct RoutingRule {
  RouterGate gate = RouterGate::kTwoSigmoid;
  KvMode kv_mode = KvMode::kKept;
  double frame_floor = 0.0;
};

struct BlockOutput {
  at::Tensor x;  // [B, N, D]
  KeysValues
      chunk;  // as the cache holds them: rotated, or un-rotated when positions.past is set. All N rows, except after a
              // routed pass with KvMode::kKept: then the kept rows only, which must never reach the cache.
  at::Tensor kept;    // int64 [B, k] ascending; undefined after a dense block
  at::Tensor scores;  // fp32 [B, N]; undefined after a dense block
};

// x [B, N, D], N = F S tokens of a chunk.
BlockOutput DenseBlock(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x);

// Runs `kept_rows` of the N tokens through the block; the others leave as they came, bit for bit. The weights must have
// a router and 1 <= kept_rows <= N.
BlockOutput RoutedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                        int64_t kept_rows, const at::Tensor& x);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_TRANSFORMER_BLOCK_H_
