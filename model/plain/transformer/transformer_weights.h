// The tensors of the causal diffusion transformer as plain structs, named as in causal_wan_dit.md section 10.
// Letters: D model width, F feed-forward width, C latent channels, r router width (model/README.md).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_TRANSFORMER_WEIGHTS_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_TRANSFORMER_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

struct LinearWeights {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
};

struct AttentionWeights {
  LinearWeights q, k, v, o;  // [D, D]
  at::Tensor norm_q;         // [D], over all heads together
  at::Tensor norm_k;         // [D]
};

// videodiffcr.md section 2.2.
struct RouterWeights {
  LinearWeights down;  // [r, D]
  at::Tensor mix;      // [r, chunk_frames, chunk_frames]
  at::Tensor score;    // [1, r]
};

// The light bypass of a routed block, videodiffcr.md section 9, 6: x + up SiLU(down LN(x)) of tokens not kept.
struct BypassWeights {
  at::Tensor down;  // [rank, D]
  at::Tensor up;    // [D, rank]
};

struct BlockWeights {
  at::Tensor modulation;  // [1, 6, D]: shift, scale, gate of self-attention, then of the feed-forward layer
  AttentionWeights self_attn;
  AttentionWeights cross_attn;
  at::Tensor norm3_weight;  // [D], before cross-attention
  at::Tensor norm3_bias;    // [D]
  LinearWeights ffn_in;     // [F, D]
  LinearWeights ffn_out;    // [D, F]
  std::optional<RouterWeights> router;
  std::optional<BypassWeights> bypass;
};

struct TransformerWeights {
  LinearWeights patch_embedding;  // [D, C, 1, patch_height, patch_width]
  LinearWeights text_embedding_in, text_embedding_out;
  LinearWeights time_embedding_in, time_embedding_out;
  LinearWeights time_projection;  // [6 D, D]
  std::vector<BlockWeights> blocks;
  at::Tensor head_modulation;  // [1, 2, D]
  LinearWeights head;          // [patch_height patch_width C, D]
};

// Errors name file and tensor; nothing is read when one is found (LoadWeightTable). Tensors of routers and bypasses
// ("....router....", "....bypass....") in the same file are left to LoadRouterWeights.
absl::StatusOr<TransformerWeights> LoadTransformerWeights(const SafetensorsReader& reader,
                                                          const TransformerConfig& config,
                                                          const WeightOptions& options = {});

// Fills `router` of every block, of width `router_dim`, and with `bypass_rank` above 0 `bypass`. Transformer tensors in
// the same file are passed over.
absl::Status LoadRouterWeights(const SafetensorsReader& reader, const TransformerConfig& config, int64_t router_dim,
                               int64_t bypass_rank, const WeightOptions& options, TransformerWeights* weights);

// One row per tensor, in the order of causal_wan_dit.md section 10; rows point into `weights`, whose blocks and routers
// are made here when they are missing. Also what the trainer and the converter walk to write a checkpoint.
std::vector<WeightRow> TransformerWeightTable(const TransformerConfig& config, TransformerWeights* weights);
std::vector<WeightRow> RouterWeightTable(const TransformerConfig& config, int64_t router_dim,
                                         TransformerWeights* weights);
// None at rank 0.
std::vector<WeightRow> BypassWeightTable(const TransformerConfig& config, int64_t rank, TransformerWeights* weights);
// Both: what the file of `retention` holds.
std::vector<WeightRow> RoutingWeightTable(const TransformerConfig& config, int64_t router_dim, int64_t bypass_rank,
                                          TransformerWeights* weights);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_TRANSFORMER_WEIGHTS_H_
