#include "training/students/pruned_network.h"

namespace videodiffcr::training {

at::Tensor PrunedNetwork::Flow(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) {
  const at::Tensor flow = Predict(Enter(latents), step, state, kind).to(at::kFloat);
  estimate_ = FlowToX0(flow.detach(), latents.detach(), schedule_.sigmas[step]);
  return flow;
}

std::vector<KeysValues> PrunedNetwork::ContextKeys(const at::Tensor& latents, const RolloutState& state) {
  finished_ = latents.detach();
  estimate_ = at::Tensor();
  return RunPass(network_, MakeContextPass(Enter(latents), {}, ContextMode::kDense, {}, state)).keys;
}

}  // namespace videodiffcr::training
