#include "training/students/linear_router.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

#include "model/plain/transformer/layers.h"
#include "training/run/random_tensor.h"
#include "training/students/dense_observation.h"
#include "training/students/least_squares.h"

namespace videodiffcr::training {

RouterWeights AsServedRouter(const at::Tensor& weight, int64_t router_dim, int64_t chunk_frames) {
  const at::Tensor rest = at::zeros({router_dim - 2, weight.size(0)}, weight.options().requires_grad(false));
  const at::Tensor zeros = at::zeros({router_dim}, rest.options());
  const at::Tensor sign = at::cat({zeros.slice(0, 0, 1) + 1, zeros.slice(0, 0, 1) - 1, zeros.slice(0, 2)});
  return {{at::cat({at::stack({weight, -weight}), rest}), zeros},
          at::eye(chunk_frames, rest.options()).unsqueeze(0).repeat({router_dim, 1, 1}),
          sign.unsqueeze(0)};
}

at::Tensor DrawLinearRouters(const TrainingModel& model, uint64_t seed) {
  at::Tensor weight;
  const int64_t dim = model.config.transformer.dim;
  FillNormalWeight({"router.weight", {model.config.transformer.num_layers, dim}, &weight},
                   0.02 / std::sqrt(static_cast<double>(dim)), seed, 0, model.device);
  return weight;
}

absl::StatusOr<at::Tensor> FitLinearRouters(const TrainingModel& model, uint64_t seed) {
  const c10::NoGradGuard no_gradients;
  const TransformerConfig& config = model.config.transformer;
  std::vector<LeastSquares> blocks(static_cast<size_t>(config.num_layers), LeastSquares(config.dim, model.device));
  const absl::Status observed = ObserveDenseRollouts(model, seed, [&](const ResidualStream& stream) {
    for (size_t block = 0; block < blocks.size(); ++block) {
      blocks[block].Add(LayerNorm(stream[block], config.eps), StandardizedLogNorm(stream[block + 1] - stream[block]));
    }
  });
  if (!observed.ok()) return observed;
  std::vector<at::Tensor> weights;
  weights.reserve(blocks.size());
  for (const LeastSquares& block : blocks) weights.push_back(block.Solve());
  return at::stack(weights).to(model.device);
}

}  // namespace videodiffcr::training
