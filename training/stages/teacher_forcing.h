// A window of chunks in one go, for training: every noisy chunk sees the clean chunks before it and itself
// (tiny_recipe.md section 6, causal_wan_dit.md section 8).
#ifndef VIDEODIFFCR_TRAINING_STAGES_TEACHER_FORCING_H_
#define VIDEODIFFCR_TRAINING_STAGES_TEACHER_FORCING_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/plain/transformer/diffusion_transformer.h"
#include "training/model/block_feed.h"

namespace videodiffcr::training {

struct TeacherForcingInput {
  at::Tensor clean;      // [B, K F, C, h, w]: the context, at timestep 0
  at::Tensor noisy;      // [B, K F, C, h, w]
  at::Tensor timesteps;  // fp32 [B, K], 0 to 1000
  at::Tensor text;       // rows of chunk 0 of all B windows, then of chunk 1, ...: [K B, rows, text_dim]
};

// The flow of every noisy chunk, [B, K F, C, h, w] in fp32, computed in the type of the weights. What serving's passes
// give one by one, all chunks and both copies at once; the K chunks take window positions 0, 1, ...: the model must use
// window-relative rotary positions. `recompute`: the blocks' activations, by backward(). `blocks`: the model's, in
// order, as FeedBlocks() hands them out.
at::Tensor TeacherForcingFlow(const DiffusionTransformer& model, BlockFeed& blocks, const TeacherForcingInput& input,
                              bool recompute = false);

// Noise levels of flow matching: sigma = shift u / (1 + (shift - 1) u), from u in [0, 1].
at::Tensor ShiftedSigma(const at::Tensor& u, double shift);

// One value per chunk [B, K] spread over latents [B, K F, C, h, w]: -> [B, K F, 1, 1, 1].
at::Tensor PerLatentFrame(const at::Tensor& per_chunk, int64_t chunk_frames);

// Mean of squares of `error` [B, K F, C, h, w] over the chunks where `mask` [B, K] is 1. With `counted`, a scalar, the
// sum is divided by that instead of by the mask's own sum: of a piece of a batch, whose other pieces count more or
// less.
at::Tensor MaskedMeanSquare(const at::Tensor& error, const at::Tensor& mask, int64_t chunk_frames,
                            const at::Tensor& counted = {});

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_TEACHER_FORCING_H_
