#include "model/plain/rollout/few_step_sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "model/config/noise.h"
#include "model/plain/transformer/layers.h"

namespace videodiffcr {

PassInput MakePass(const at::Tensor& latents, float timestep, const RoutingRule& routing, const RolloutState& state) {
  PassInput pass;
  pass.latents = latents;
  pass.timesteps = at::full({latents.size(0), latents.size(1)}, timestep, latents.options().dtype(at::kDouble));
  pass.first_frame = state.cache.finished_frames();
  pass.text = &state.text;
  pass.past = state.cache.past();
  pass.routing = routing;
  return pass;
}

PassInput MakeContextPass(const at::Tensor& latents, const RoutingRule& routing, ContextMode mode,
                          const RetentionTable& table, const RolloutState& state) {
  PassInput pass = MakePass(latents, 0.0f, routing, state);
  pass.cache = state.cache_rule;
  if (mode == ContextMode::kRoutedFullKv && !table.tenths.empty()) {
    pass.tenths = TenthsOfPass(table, table.tenths.front().size() - 1);
    pass.routing.kv_mode = KvMode::kFull;
  }
  return pass;
}

at::Tensor FlowToX0(const at::Tensor& flow, const at::Tensor& x_t, float sigma) {
  const at::Tensor x0 = x_t.to(at::kDouble) - flow.to(at::kDouble) * static_cast<double>(sigma);
  return x0.to(flow.scalar_type());
}

at::Tensor AddNoise(const at::Tensor& x0, const at::Tensor& noise, float sigma) {
  return (WidenToFloat(x0) * (1.0f - sigma) + WidenToFloat(noise) * sigma).to(noise.scalar_type());
}

ChunkNoise DrawChunkNoise(const DiffusionTransformer& model, uint64_t seed, int64_t chunk, int64_t denoise_steps) {
  const TransformerConfig& config = model.config;
  ChunkNoise noise;
  for (int64_t step = 0; step < denoise_steps; ++step) {
    at::Tensor drawn =
        at::empty({1, config.chunk_frames, config.in_dim, config.latent_height, config.latent_width}, at::kFloat);
    FillNormal({seed, static_cast<uint64_t>(chunk), static_cast<uint32_t>(step)},
               absl::MakeSpan(drawn.mutable_data_ptr<float>(), static_cast<size_t>(drawn.numel())));
    noise.push_back(drawn.to(model.weights.head.weight.options()));
  }
  return noise;
}

SampledChunk SampleChunk(const DiffusionTransformer& model, const SamplerOptions& options, const RetentionTable& table,
                         const ChunkNoise& noise, RolloutState* state) {
  SampledChunk chunk;

  at::Tensor x = noise.front();
  for (size_t j = 0; j < options.schedule.timesteps.size(); ++j) {
    PassInput pass = MakePass(x, options.schedule.timesteps[j], options.routing, *state);
    pass.tenths = TenthsOfPass(table, j);
    PassOutput output = RunPass(model, pass);
    chunk.kept.push_back(std::move(output.kept));
    chunk.latents = FlowToX0(output.flow, x, options.schedule.sigmas[j]);
    if (j + 1 < options.schedule.timesteps.size())
      x = AddNoise(chunk.latents, noise[j + 1], options.schedule.sigmas[j + 1]);
  }

  const PassInput context = MakeContextPass(chunk.latents, options.routing, options.context_mode, table, *state);
  PassOutput output = RunPass(model, context);
  chunk.kept.push_back(std::move(output.kept));
  state->cache.Append(output.keys);
  return chunk;
}

}  // namespace videodiffcr
