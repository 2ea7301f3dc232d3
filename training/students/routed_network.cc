#include "training/students/routed_network.h"

#include <utility>

namespace videodiffcr::training {

RoutedPasses RoutedNetwork::PassesOf(const ModelConfig& config, const StepSchedule& schedule,
                                     DiffusionTransformer network, RetentionTable table, const TokenScorer& scorer) {
  const RetentionConfig& retention = config.retention;
  RoutedPasses passes;
  passes.network = std::move(network);
  passes.timesteps = schedule.timesteps;
  passes.rule = {retention.gate, retention.kv_mode, retention.frame_floor, scorer, {}};
  passes.context_mode = retention.context_mode;
  passes.table = std::move(table);
  return passes;
}

TextKeys RoutedNetwork::MakeText(const at::Tensor& hidden) { return MakeTextKeys(passes_.network, hidden); }

// What came before carries no gradients.
at::Tensor RoutedNetwork::Enter(const at::Tensor& latents) const {
  return latents.detach().to(passes_.network.weights.head.weight.scalar_type());
}

at::Tensor RoutedNetwork::Flow(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) {
  PassInput pass = MakePass(Enter(latents), passes_.timesteps[step], passes_.rule, state);
  pass.tenths = TenthsOfPass(passes_.table, step);
  if (passes_.runner) pass.runner = passes_.runner(step, kind);
  return RunPass(passes_.network, pass).flow.to(at::kFloat);
}

std::vector<KeysValues> RoutedNetwork::ContextKeys(const at::Tensor& latents, const RolloutState& state) {
  return RunPass(passes_.network,
                 MakeContextPass(Enter(latents), passes_.rule, passes_.context_mode, passes_.table, state))
      .keys;
}

}  // namespace videodiffcr::training
