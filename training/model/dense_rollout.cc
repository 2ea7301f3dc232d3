#include "training/model/dense_rollout.h"

#include <c10/core/GradMode.h>

namespace videodiffcr::training {

void RollOutDense(const TrainingModel& model, const at::Tensor& hidden, int64_t chunks, StepRandom& random,
                  const FlowOfPass& flow, const BlockRunner& context) {
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
    if (chunk + 1 == chunks) break;
    PassInput pass = MakePass(x0, 0.0f, {}, state);
    pass.runner = context;
    state.cache.Append(RunPass(model.transformer, pass).keys);
  }
}

namespace {

// Runs dense blocks, keeps what passes between them in `stream`, and shows it after the last.
BlockRunner Showing(const std::vector<BlockWeights>& blocks, ResidualStream* stream,
                    const std::function<void(const ResidualStream&)>& visit) {
  return [&blocks, stream, visit](size_t index, const BlockContext& context, const at::Tensor& tokens) {
    BlockOutput block = DenseBlock(blocks[index], context, tokens);
    stream->push_back(tokens);
    if (index + 1 < blocks.size()) return block;
    stream->push_back(block.x);
    visit(*stream);
    stream->clear();
    return block;
  };
}

}  // namespace

void VisitDensePasses(const TrainingModel& model, const at::Tensor& hidden, int64_t chunks, StepRandom& random,
                      const std::function<void(const ResidualStream&)>& visit,
                      const std::function<void(const ResidualStream&)>& context) {
  const std::vector<BlockWeights>& blocks = model.transformer.weights.blocks;
  ResidualStream stream;
  const BlockRunner runner = Showing(blocks, &stream, visit);
  const FlowOfPass flow = [&](const at::Tensor& x, size_t step, const RolloutState& state) {
    PassInput pass = MakePass(x, model.schedule.timesteps[step], {}, state);
    pass.runner = runner;
    return RunPass(model.transformer, pass).flow;
  };
  RollOutDense(model, hidden, chunks, random, flow, context ? Showing(blocks, &stream, context) : BlockRunner());
}

}  // namespace videodiffcr::training
