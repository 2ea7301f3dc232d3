// A network that sees a clip as a whole: every frame attends to every other one, and one noise level holds for all.
// What the paper's scores are, networks that were never made causal (self_forcing_inference.md section 9).
#ifndef VIDEODIFFCR_TRAINING_STAGES_WHOLE_CLIP_H_
#define VIDEODIFFCR_TRAINING_STAGES_WHOLE_CLIP_H_

#include <ATen/core/Tensor.h>

#include "model/plain/transformer/diffusion_transformer.h"
#include "training/model/block_feed.h"

namespace videodiffcr::training {

// noisy [B, frames, C, h, w] at timesteps [B], 0 to 1000, text rows [B, rows, text_dim] -> flow, of noisy's shape, in
// fp32; computed in the type of the weights. `recompute`: the blocks' activations, by backward(). `blocks`: the
// model's, in order, as FeedBlocks() hands them out.
at::Tensor WholeClipFlow(const DiffusionTransformer& model, BlockFeed& blocks, const at::Tensor& noisy,
                         const at::Tensor& timesteps, const at::Tensor& text, bool recompute);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_WHOLE_CLIP_H_
