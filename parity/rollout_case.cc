// Cases of kind "rollout" on the plain path: a whole video, prompt switch included.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include "model/plain/rollout/few_step_sampler.h"
#include "parity/parity_case.h"
#include "parity/rollout_case_settings.h"

namespace videodiffcr {

namespace {

// Every pass of every chunk: the caller compares those that the file holds. A dense block kept all tokens.
void AddKeptIndices(const SampledChunk& sampled, int64_t chunk, int64_t tokens, CaseOutputs* outputs) {
  for (size_t step = 0; step < sampled.kept.size(); ++step) {
    for (size_t layer = 0; layer < sampled.kept[step].size(); ++layer) {
      const at::Tensor& kept = sampled.kept[step][layer];
      (*outputs)[KeptOutputName(chunk, step, layer)] =
          kept.defined() ? kept.select(0, 0).cpu() : at::arange(tokens, at::TensorOptions().dtype(at::kLong));
    }
  }
}

}  // namespace

absl::StatusOr<CaseOutputs> RunRolloutPlain(const SafetensorsReader& file, at::Device device) {
  absl::StatusOr<RolloutCase> read = ReadRolloutCase(file, device);
  if (!read.ok()) return read.status();
  const RolloutCase& rollout = *read;
  const DiffusionTransformer model = {rollout.config, rollout.weights};
  SamplerOptions options;
  options.schedule = *MakeStepSchedule(rollout.sampling);  // ReadRolloutCase() has tried it
  options.routing = rollout.routing;
  options.context_mode = rollout.context_mode;

  CaseOutputs outputs;
  RolloutState state(rollout.config);
  state.text = MakeTextKeys(model, rollout.prompt);
  std::vector<at::Tensor> latents;
  for (size_t chunk = 0; chunk < rollout.noise.size(); ++chunk) {
    if (static_cast<int64_t>(chunk) == rollout.switch_at_chunk) {
      state.text = MakeTextKeys(model, rollout.prompt_switched);
    }
    const SampledChunk sampled = SampleChunk(model, options, rollout.table, rollout.noise[chunk], &state);
    AddKeptIndices(sampled, chunk, rollout.config.tokens_per_chunk(), &outputs);
    latents.push_back(sampled.latents.select(0, 0));
  }
  outputs["out.latents"] = at::cat(latents, 0).cpu();
  const std::vector<KeysValues> window = state.cache.Window();
  outputs["out.cache_k_last_layer"] = window.back().k.select(0, 0).cpu();
  outputs["out.cache_v_first_layer"] = window.front().v.select(0, 0).cpu();
  return outputs;
}

}  // namespace videodiffcr
