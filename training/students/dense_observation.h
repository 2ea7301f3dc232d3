// What rankings of tokens are fitted to before training: dense rollouts of some captions, pass by pass.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_DENSE_OBSERVATION_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_DENSE_OBSERVATION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "training/model/dense_rollout.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {

// (log |update| - mean) / deviation over the tokens of each chunk, [B, N, D] -> [B, N]: what the stage `routers`
// teaches routers, too (tiny_recipe.md section 8 (a), videodiffcr.md section 2.2).
at::Tensor StandardizedLogNorm(const at::Tensor& update);

struct DenseObservation {
  int64_t clips = 0;                                   // 0: a few
  std::function<void(const ResidualStream&)> context;  // sees the context passes; empty: nobody does
};

// Rolls some drawn captions out, all blocks dense, and shows every denoising pass; without gradients.
absl::Status ObserveDenseRollouts(const TrainingModel& model, uint64_t seed,
                                  const std::function<void(const ResidualStream&)>& visit,
                                  const DenseObservation& observation = {});

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_DENSE_OBSERVATION_H_
