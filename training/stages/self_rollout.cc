#include "training/stages/self_rollout.h"

#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "training/model/training_model.h"

namespace videodiffcr::training {

RolloutPlan DrawRolloutPlan(size_t steps, int64_t most_chunks, RandomStream& random) {
  constexpr double kShort = 0.7;
  RolloutPlan plan;
  const double length = random.Uniform();
  if (length >= kShort && most_chunks > kWindowChunks) {
    const double place = (length - kShort) / (1 - kShort) * static_cast<double>(most_chunks - kWindowChunks);
    plan.chunks = std::min(kWindowChunks + 1 + static_cast<int64_t>(place), most_chunks);
  }
  plan.exit_step = static_cast<size_t>(random.Below(static_cast<int>(steps)));
  return plan;
}

at::Tensor DenoiseChunk(StudentNetwork& network, const StepSchedule& schedule, size_t exit_step, PassKind exit_kind,
                        const StepNoise& noise, const RolloutState& state) {
  at::Tensor x = noise(0);
  for (size_t step = 0; step < exit_step; ++step) {
    const c10::NoGradGuard no_gradients;
    const at::Tensor flow = network.Flow(x, step, state, PassKind::kServed);
    x = AddNoise(FlowToX0(flow, x, schedule.sigmas[step]), noise(step + 1), schedule.sigmas[step + 1]);
  }
  const c10::AutoGradMode gradients(exit_kind == PassKind::kTrained);
  return FlowToX0(network.Flow(x, exit_step, state, exit_kind), x, schedule.sigmas[exit_step]);
}

at::Tensor SelfRollout(StudentNetwork& network, const TransformerConfig& config, const StepSchedule& schedule,
                       const RolloutPlan& plan, PassKind kind, const at::Tensor& hidden, int64_t batch,
                       StepRandom& random) {
  const c10::AutoGradMode gradients(kind == PassKind::kTrained);
  const std::vector<int64_t> shape = {batch, config.chunk_frames, config.in_dim, config.latent_height,
                                      config.latent_width};
  const StepNoise noise = [&](size_t) { return random.Normal(shape); };
  const TextKeys keys = network.MakeText(hidden);
  RolloutState state(config);
  std::vector<at::Tensor> window;
  for (int64_t chunk = 0; chunk < plan.chunks; ++chunk) {
    state.text = KeysOfChunk(keys, batch, hidden.size(0) == batch ? 0 : chunk);
    const at::Tensor latents =
        DenoiseChunk(network, schedule, plan.exit_step, plan.counts(chunk) ? kind : PassKind::kServed, noise, state);
    if (chunk == 0 || chunk > plan.chunks - plan.window_chunks) window.push_back(latents);
    if (chunk + 1 == plan.chunks) break;
    const c10::NoGradGuard no_gradients;
    state.cache.Append(network.ContextKeys(latents, state));
  }
  return at::cat(window, 1);
}

}  // namespace videodiffcr::training
