// A router that looks at each token alone: score = w . LayerNorm(x), no bias, as DiffCR's and Mixture-of-Depths'
// (videodiffcr.md section 2.1). What the temporal mixing router is compared with.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_LINEAR_ROUTER_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_LINEAR_ROUTER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {

// The same scores out of the served router: silu(z) - silu(-z) = z, with frames that are not mixed. `weight` [D], which
// gradients reach; `router_dim` at least 2, what it has beyond is 0.
RouterWeights AsServedRouter(const at::Tensor& weight, int64_t router_dim, int64_t chunk_frames);

// [layers, D]: N(0, 0.02^2 / D), the spread of a fresh temporal router's scores.
at::Tensor DrawLinearRouters(const TrainingModel& model, uint64_t seed);

// [layers, D]: least squares on what the stage `routers` teaches temporal ones, the standardised log norm of each dense
// block's update, over dense rollouts of some captions.
absl::StatusOr<at::Tensor> FitLinearRouters(const TrainingModel& model, uint64_t seed);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_LINEAR_ROUTER_H_
