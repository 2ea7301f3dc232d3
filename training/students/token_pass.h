// A dense pass over tokens that are not the chunk's grid: fewer ones, merged ones, or such from larger patches. A token
// is where its rotary position says; positions need not be whole.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_TOKEN_PASS_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_TOKEN_PASS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

#include "model/plain/rollout/few_step_sampler.h"
#include "model/plain/transformer/diffusion_transformer.h"

namespace videodiffcr::training {

// Where tokens are in the chunk, fp64 [1 or B, L]: frame, patch row and patch column.
struct TokenPlaces {
  at::Tensor frame, row, column;
};

// Of the chunk's own tokens, [1, N].
TokenPlaces GridPlaces(const TransformerConfig& config, at::Device device);

// The rows `index` int64 [B, k] of x [B or 1, L, ...].
at::Tensor TakeTokens(const at::Tensor& x, const at::Tensor& index);

class TokenPass {
 public:
  // All frames of a pass have the same `timestep`. `network` and `state` outlive this.
  TokenPass(const DiffusionTransformer& network, const at::Tensor& latents, float timestep, const RolloutState& state);

  // Of the chunk's own tokens, and of any.
  const RotaryTable& grid() const { return grid_.chunk; }
  RotaryTable RotaryOf(const TokenPlaces& places) const;

  // Tokens x [B, L, D] through a block; they see each other and the past.
  at::Tensor Run(size_t block, const at::Tensor& x, const RotaryTable& rotary) const;
  // All blocks.
  at::Tensor RunAll(at::Tensor x, const RotaryTable& rotary) const;

  // Of the head: [B, F, D].
  const at::Tensor& time() const { return time_.e; }

 private:
  const DiffusionTransformer& network_;
  const RolloutState& state_;
  const TimeEmbedding time_;
  const at::Tensor block_time_;  // [B, 1, 6, D]: the same for all tokens
  const ChunkPositions grid_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_TOKEN_PASS_H_
