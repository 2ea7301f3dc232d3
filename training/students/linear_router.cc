#include "training/students/linear_router.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

#include "model/plain/transformer/layers.h"
#include "training/run/random_tensor.h"
#include "training/students/dense_observation.h"

namespace videodiffcr::training {
namespace {

constexpr double kRidge = 1e-3;  // of the mean of the diagonal

// The normal equations of one block: sums over tokens of h h^T and h target.
struct NormalEquations {
  at::Tensor square;  // [D, D], fp64
  at::Tensor right;   // [D]

  void Add(const at::Tensor& input, const at::Tensor& target) {
    const at::Tensor h = input.flatten(0, 1), t = target.flatten();
    square = square + at::matmul(h.t(), h).to(at::kDouble);
    right = right + at::matmul(h.t(), t).to(at::kDouble);
  }
  at::Tensor Solve() const {
    const at::Tensor a = square.cpu(), b = right.cpu();
    const at::Tensor ridge = at::eye(a.size(0), a.options()) * (kRidge * a.diagonal().mean());
    return at::linalg_solve(a + ridge, b).to(at::kFloat);
  }
};

}  // namespace

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
  const at::Tensor nothing = at::zeros({config.dim}, at::TensorOptions(at::kDouble).device(model.device));
  std::vector<NormalEquations> blocks(static_cast<size_t>(config.num_layers),
                                      {at::zeros({config.dim, config.dim}, nothing.options()), nothing});
  const absl::Status observed = ObserveDenseRollouts(model, seed, [&](const ResidualStream& stream) {
    for (size_t block = 0; block < blocks.size(); ++block) {
      blocks[block].Add(LayerNorm(stream[block], config.eps), StandardizedLogNorm(stream[block + 1] - stream[block]));
    }
  });
  if (!observed.ok()) return observed;
  std::vector<at::Tensor> weights;
  weights.reserve(blocks.size());
  for (const NormalEquations& block : blocks) weights.push_back(block.Solve());
  return at::stack(weights).to(model.device);
}

}  // namespace videodiffcr::training
