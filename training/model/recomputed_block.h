// A block of the transformer whose activations backward() computes again: a graph then holds a block's input and what
// it chose, and no more of it.
#ifndef VIDEODIFFCR_TRAINING_MODEL_RECOMPUTED_BLOCK_H_
#define VIDEODIFFCR_TRAINING_MODEL_RECOMPUTED_BLOCK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "model/config/model_config.h"
#include "model/plain/transformer/block.h"
#include "training/model/training_model.h"
#include "training/run/stage_options.h"

namespace videodiffcr::training {

// Runs a block on `x` by `rule`: dense, routed, both mixed. Called again by backward(), so what it refers to must live
// until then; the arguments do.
using BlockPass = std::function<at::Tensor(const BlockContext& context, const RoutingRule& rule, const at::Tensor& x)>;

// pass(context, rule, x). The rule's selector is asked and its scorer, where it has one, is called in the first pass
// alone; both passes have the same tokens and, from a scorer, the same scores, without gradients. Scores of routers are
// computed again and carry gradients. `learned`: what the pass uses beside the weights that carries gradients; may be
// undefined.
at::Tensor RecomputedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                           const std::vector<at::Tensor>& learned, const at::Tensor& x, const BlockPass& pass);

// Bytes of activations that a graph keeps of one window with teacher forcing, about, when nothing is computed again.
int64_t ActivationBytes(const TransformerConfig& config, int64_t window_chunks, at::ScalarType compute_type);

// Sets the model's `recompute_blocks`: as the stage's options say, else when a window would keep more than 4 GiB of
// activations. Rank 0 says which in a line on the standard error.
void ChooseRecompute(const StageOptions& stage, int64_t window_chunks, TrainingModel* model);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_RECOMPUTED_BLOCK_H_
