// One chunk from noise in a few denoising passes, then the context pass that writes it into the cache
// (self_forcing_inference.md section 4, videodiffcr.md section 1.2). The plain path: gradients pass through everything.
#ifndef VIDEODIFFCR_MODEL_PLAIN_ROLLOUT_FEW_STEP_SAMPLER_H_
#define VIDEODIFFCR_MODEL_PLAIN_ROLLOUT_FEW_STEP_SAMPLER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/noise_schedule.h"
#include "model/config/retention_table.h"
#include "model/plain/transformer/diffusion_transformer.h"
#include "model/plain/transformer/kv_cache.h"

namespace videodiffcr {

// x0 = x_t - sigma flow, in float64, returned in the flow's type (self_forcing_inference.md section 3).
at::Tensor FlowToX0(const at::Tensor& flow, const at::Tensor& x_t, float sigma);

// (1 - sigma) x0 + sigma noise, at least in fp32, returned in the noise's type.
at::Tensor AddNoise(const at::Tensor& x0, const at::Tensor& noise, float sigma);

// Noise of one chunk, one tensor per denoising step, each [B, F, C, h, w]: the first latents, then what is added before
// each later step. In the type and on the device of the network.
using ChunkNoise = std::vector<at::Tensor>;

// The noise of (seed, chunk) for a batch of one, one tensor per step. Never depends on budgets.
ChunkNoise DrawChunkNoise(const DiffusionTransformer& model, uint64_t seed, int64_t chunk, int64_t denoise_steps);

// Sizes and rules that stay the same for all chunks of a video.
struct SamplerOptions {
  StepSchedule schedule;
  RoutingRule routing;
  ContextMode context_mode = ContextMode::kDense;
};

// What a video carries from chunk to chunk. A value: a copy goes on from where it was taken.
struct RolloutState {
  explicit RolloutState(const TransformerConfig& config) : cache(config) {}

  KvCache cache;
  TextKeys text;         // of the current prompt; replace it to switch, the cache stays
  CacheRule cache_rule;  // of the current chunk: what it leaves in the cache; as it is made, everything
};

// A pass over `latents` [B, F, C, h, w] at the place where `state` is, all blocks dense; `state` outlives it.
PassInput MakePass(const at::Tensor& latents, float timestep, const RoutingRule& routing, const RolloutState& state);

// The context pass: on the clean chunk at timestep 0, for its keys only. Routed, it takes the table's last column and
// still makes the keys of all rows (modes D and E); with an empty table it is dense. Marks the keys that stay.
PassInput MakeContextPass(const at::Tensor& latents, const RoutingRule& routing, ContextMode mode,
                          const RetentionTable& table, const RolloutState& state);

// What one chunk left behind.
struct SampledChunk {
  at::Tensor latents;  // x0 [B, F, C, h, w]
  // [pass, the context pass last][block]: int64 [B, k], undefined where dense.
  std::vector<std::vector<at::Tensor>> kept;
};

// Runs all passes of the next chunk and advances `state`. `table`: tenths per block and pass; with ContextMode::kDense
// its last column is not used. state->text must hold the prompt's keys.
SampledChunk SampleChunk(const DiffusionTransformer& model, const SamplerOptions& options, const RetentionTable& table,
                         const ChunkNoise& noise, RolloutState* state);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_ROLLOUT_FEW_STEP_SAMPLER_H_
