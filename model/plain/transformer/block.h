// One layer of the transformer, dense or routed (causal_wan_dit.md section 5; videodiffcr.md sections 1.3 and 4.1).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_BLOCK_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_BLOCK_H_

#include <ATen/core/Tensor.h>

#include <functional>

#include "model/config/retention_table.h"
#include "model/plain/transformer/attention.h"
#include "model/plain/transformer/transformer_weights.h"

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

// Something else than the router that ranks a block's tokens: x [B, N, D] -> scores, fp32 [B, N].
using TokenScorer = std::function<at::Tensor(const BlockWeights&, const BlockContext&, const at::Tensor& x)>;

// Something else than SelectTokens() that says which tokens a block keeps: scores fp32 [B, N] -> int64 [B, kept_rows],
// ascending. The gates are of the scores all the same. Called for one routed block after the other, as they run.
using TokenSelector = std::function<at::Tensor(const at::Tensor& scores, int64_t kept_rows)>;

// How a routed block goes about it; how many rows it keeps is a number of its own.
struct RoutingRule {
  RouterGate gate = RouterGate::kTwoSigmoid;
  KvMode kv_mode = KvMode::kKept;
  double frame_floor = 0.0;
  TokenScorer scorer;      // empty: the block's router. Others are for comparison.
  TokenSelector selector;  // empty: SelectTokens() with the frame floor. Others are for comparison.
};

struct BlockOutput {
  at::Tensor x;  // [B, N, D]
  // As the cache holds them: rotated, or un-rotated when positions.past is set. All N rows, except after a routed pass
  // with KvMode::kKept: then the kept rows only, which must never reach the cache.
  KeysValues chunk;
  at::Tensor kept;    // int64 [B, k] ascending; undefined after a dense block
  at::Tensor scores;  // fp32 [B, N]; undefined after a dense block
};

// x [B, N, D], N = F S tokens of a chunk.
BlockOutput DenseBlock(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x);

// Which tokens of a routed block matter: what RunKeptTokens() can be called with more than once.
struct RankedTokens {
  at::Tensor x_norm;  // [B, N, D], LayerNorm of the block's input: for the router, and once for all kept rows
  at::Tensor scores;  // fp32 [B, N]
};

// The weights must have a router unless the rule has a scorer.
RankedTokens RankTokens(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                        const at::Tensor& x);

// The `kept_rows` best of them: int64 [B, kept_rows] ascending; 1 <= kept_rows <= N. `frames`: of the chunk.
at::Tensor ChooseTokens(const RankedTokens& ranked, const RoutingRule& rule, int64_t kept_rows, int64_t frames);

// Runs the tokens `kept` of x through the block; the others leave as they came, bit for bit, unless the block has a
// light bypass for them.
BlockOutput RunKeptTokens(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                          const RankedTokens& ranked, const at::Tensor& kept, const at::Tensor& x);

// The three in one: ranks the N tokens, chooses `kept_rows`, runs them.
BlockOutput RoutedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                        int64_t kept_rows, const at::Tensor& x);

// DenseBlock() for all chunks of B whole windows of K chunks at once, with teacher forcing (tiny_recipe.md section 6).
// x [(2 K - 1) B, N, D]: the K noisy chunks, chunk by chunk, then the clean ones but the last. Noisy chunk j sees the
// clean chunks before it and itself, clean chunk j those up to itself. `context`: a row of time and text per row of x,
// no past; angles of shape [2 K - 1, 1, N, 1, d/2] for the chunks. -> [(2 K - 1) B, N, D].
at::Tensor TeacherForcingBlock(const BlockWeights& weights, const BlockContext& context, int64_t chunks,
                               const at::Tensor& x);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_BLOCK_H_
