// Single passes over the clips of a batch on the kernels that serve, with weights that are at hand as tensors: for who
// makes other passes of the same clips on the plain path, with gradients (training/stages/self_rollout.h). On a GPU
// alone.
//
// What LibTorch throws (no memory) goes through, as it does on the plain path. One thread at a time; all work is queued
// on the device's current stream.
#ifndef VIDEODIFFCR_MODEL_ROLLOUT_SERVED_PASSES_H_
#define VIDEODIFFCR_MODEL_ROLLOUT_SERVED_PASSES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/config/noise_schedule.h"
#include "model/plain/transformer/attention.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

class ServedPasses {
 public:
  virtual ~ServedPasses() = default;

  // Denoising step `step` of the current chunk: latents [clips, chunk frames, C, h, w] of any floating type -> an
  // estimate of noise - x0, fp32 of the same shape.
  virtual at::Tensor Flow(const at::Tensor& latents, int64_t step) = 0;

  // The context pass over the finished chunk, after which the next one begins: what it leaves in the cache, one entry
  // per block, [clips, N, heads, d] in bf16, as KvCache::Append() takes it. Where keys are cached rotated they lie
  // right behind those of the chunk before, so that a cache of them copies none. They stay as they are as long as
  // somebody holds them.
  virtual std::vector<KeysValues> ContextKeys(const at::Tensor& latents) = 0;
};

// A network as it serves at one budget.
struct ServedNetwork {
  TransformerConfig config;
  RetentionConfig retention;  // its one table is the budget's; none: dense. Its cache keeps everything.
  StepSchedule schedule;
  TransformerWeights weights;  // of any floating type on the GPU, with routers where there is a table; shared
};

// Whether such passes can be made: FailedPrecondition when the build or the device is for the CPU, InvalidArgument when
// a size does not suit the kernels.
absl::Status CheckServedPasses(const TransformerConfig& config, at::Device device);

// In bf16, of clips at their first chunk. `text` [clips, text_len, text_dim]: each clip's prompt for all its chunks,
// padded with zeros. A clip has as many chunks as its window at most, which is checked with TORCH_CHECK. Errors of
// CheckServedPasses(); LibTorch's go through.
absl::StatusOr<std::unique_ptr<ServedPasses>> MakeServedPasses(const ServedNetwork& network, const at::Tensor& text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_ROLLOUT_SERVED_PASSES_H_
