// The temporal mixing router: one importance score per token of a chunk (videodiffcr.md section 2.2).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ROUTER_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ROUTER_H_

#include <ATen/core/Tensor.h>

#include "model/config/retention_table.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

// x_norm [B, N, D]: the block's input after LayerNorm, before modulation; N = frames S, frame slowest. -> fp32 [B, N].
// A chunk with fewer frames than `mix` has uses its upper left part, rows scaled back to their sum.
at::Tensor RouterScores(const RouterWeights& weights, const at::Tensor& x_norm, int64_t frames);

// The two halves of it: z [B, N, r], what the router sees of each token, and their scores. `beside` [B, frames, S, r]
// is added to what the mix of frames gives, for comparison; undefined: nothing.
at::Tensor RouterFeatures(const RouterWeights& weights, const at::Tensor& x_norm);
at::Tensor ScoresOfFeatures(const RouterWeights& weights, const at::Tensor& z, int64_t frames,
                            const at::Tensor& beside = {});

// The factor on a kept token's feed-forward residual: scores [B, k] -> [B, k, 1], or an undefined tensor for kNone.
at::Tensor GateFromScores(const at::Tensor& scores, RouterGate gate, at::ScalarType dtype);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_ROUTER_H_
