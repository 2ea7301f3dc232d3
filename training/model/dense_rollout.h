// Dense rollouts, several clips side by side: the few-step loop of the stages and rankings that look at what passes do
// and change nothing (self_forcing_inference.md section 4).
#ifndef VIDEODIFFCR_TRAINING_MODEL_DENSE_ROLLOUT_H_
#define VIDEODIFFCR_TRAINING_MODEL_DENSE_ROLLOUT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "model/plain/rollout/few_step_sampler.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {

// The dense flow of a denoising pass, `step` its place in the schedule.
using FlowOfPass = std::function<at::Tensor(const at::Tensor& latents, size_t step, const RolloutState& state)>;

// Rolls `hidden` [B, text_len, text_dim] out: each clip's prompt as the text encoder left it. Without gradients, noise
// from `random`. `context`: runs the blocks of context passes; empty: as they are.
void RollOutDense(const TrainingModel& model, const at::Tensor& hidden, int64_t chunks, StepRandom& random,
                  const FlowOfPass& flow, const BlockRunner& context = {});

// The residual stream of a denoising pass, [B, N, D] each: before each block, then after the last.
using ResidualStream = std::vector<at::Tensor>;

// The same, and shows every denoising pass, and to `context` every context pass. What they compute carries no gradients
// unless it says so.
void VisitDensePasses(const TrainingModel& model, const at::Tensor& hidden, int64_t chunks, StepRandom& random,
                      const std::function<void(const ResidualStream&)>& visit,
                      const std::function<void(const ResidualStream&)>& context = {});

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_DENSE_ROLLOUT_H_
