#include "training/model/dense_rollout.h"

#include <c10/core/GradMode.h>

namespace videodiffcr::training {

void RollOutDense(const TrainingModel& model, const at::Tensor& hidden, int64_t chunks, StepRandom& random,
                  const FlowOfPass& flow) {
  const c10::NoGradGuard no_gradients;
  const TransformerConfig& config = model.config.transformer;
  const std::vector<float>& sigmas = model.schedule.sigmas;
  const std::vector<int64_t> shape = {hidden.size(0), config.chunk_frames, config.in_dim, config.latent_height,
                                      config.latent_width};
  RolloutState state(config);
  state.text = MakeTextKeys(model.transformer, hidden);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    at::Tensor x = random.Normal(shape), x0;
    for (size_t step = 0; step < sigmas.size(); ++step) {
      x0 = FlowToX0(flow(x, step, state), x, sigmas[step]);
      if (step + 1 < sigmas.size()) x = AddNoise(x0, random.Normal(shape), sigmas[step + 1]);
    }
    if (chunk + 1 < chunks) state.cache.Append(RunPass(model.transformer, MakePass(x0, 0.0f, {}, state)).keys);
  }
}

void VisitDensePasses(const TrainingModel& model, const at::Tensor& hidden, int64_t chunks, StepRandom& random,
                      const std::function<void(const ResidualStream&)>& visit) {
  const std::vector<BlockWeights>& blocks = model.transformer.weights.blocks;
  RollOutDense(model, hidden, chunks, random, [&](const at::Tensor& x, size_t step, const RolloutState& state) {
    ResidualStream stream;
    PassInput pass = MakePass(x, model.schedule.timesteps[step], {}, state);
    pass.runner = [&](size_t index, const BlockContext& context, const at::Tensor& tokens) {
      BlockOutput block = DenseBlock(blocks[index], context, tokens);
      stream.push_back(tokens);
      if (index + 1 == blocks.size()) stream.push_back(block.x);
      return block;
    };
    const at::Tensor flow = RunPass(model.transformer, pass).flow;
    visit(stream);
    return flow;
  });
}

}  // namespace videodiffcr::training
