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
#include <string>
#include <vector>

#include "model/plain/rollout/few_step_sampler.h"
#include "model/plain/transformer/layers.h"
#include "training/run/random_tensor.h"
#include "training/scenes/caption.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kChunks = 3;
constexpr int64_t kClipsOnCpu = 4, kClipsOnGpu = 16;  // a CPU would take half a minute for more
constexpr double kRidge = 1e-3;                       // of the mean of the diagonal

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

std::vector<std::string> DrawCaptions(uint64_t seed, int64_t clips) {
  std::vector<std::string> captions;
  for (int64_t clip = 0; clip < clips; ++clip) {
    RandomStream random(seed, DrawPurpose::kCaption, static_cast<uint64_t>(clip));
    captions.push_back(MakeCaption(SampleScene({}, random).segments[0], {}, random));
  }
  return captions;
}

// Runs a dense pass and shows each block's input, normalised, and the standardised log norm of its update.
PassOutput ObservePass(const TrainingModel& model, const at::Tensor& latents, float timestep, const RolloutState& state,
                       std::vector<NormalEquations>* blocks) {
  PassInput pass = MakePass(latents, timestep, {}, state);
  pass.runner = [&](size_t index, const BlockContext& context, const at::Tensor& x) {
    BlockOutput block = DenseBlock(model.transformer.weights.blocks[index], context, x);
    const at::Tensor log_norm = ((block.x - x).norm(2, {-1}) + 1e-6).log();
    const at::Tensor centred = log_norm - log_norm.mean(1, /*keepdim=*/true);
    (*blocks)[index].Add(LayerNorm(x, model.transformer.config.eps),
                         centred / (centred.square().mean(1, /*keepdim=*/true).sqrt() + 1e-6));
    return block;
  };
  return RunPass(model.transformer, pass);
}

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
  const int64_t clips = model.device.is_cpu() ? kClipsOnCpu : kClipsOnGpu;
  StepRandom random(seed, 0, model.device);
  RolloutState state(config);
  const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model, DrawCaptions(seed, clips));
  if (!hidden.ok()) return hidden.status();
  state.text = MakeTextKeys(model.transformer, *hidden);
  const std::vector<int64_t> shape = {clips, config.chunk_frames, config.in_dim, config.latent_height,
                                      config.latent_width};
  for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
    at::Tensor x = random.Normal(shape), x0;
    for (size_t step = 0; step < model.schedule.sigmas.size(); ++step) {
      const PassOutput pass = ObservePass(model, x, model.schedule.timesteps[step], state, &blocks);
      x0 = FlowToX0(pass.flow, x, model.schedule.sigmas[step]);
      if (step + 1 < model.schedule.sigmas.size()) {
        x = AddNoise(x0, random.Normal(shape), model.schedule.sigmas[step + 1]);
      }
    }
    state.cache.Append(RunPass(model.transformer, MakePass(x0, 0.0f, {}, state)).keys);
  }
  std::vector<at::Tensor> weights;
  for (const NormalEquations& block : blocks) weights.push_back(block.Solve());
  return at::stack(weights).to(model.device);
}

}  // namespace videodiffcr::training
