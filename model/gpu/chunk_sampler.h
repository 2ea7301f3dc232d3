// One step of the few-step rollout of several sessions together (self_forcing_inference.md sections 3 and 4), on the
// GPU path: the transformer's pass, then each session's sampler update.
#ifndef VIDEODIFFCR_MODEL_GPU_CHUNK_SAMPLER_H_
#define VIDEODIFFCR_MODEL_GPU_CHUNK_SAMPLER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/noise_schedule.h"
#include "model/gpu/session_pool.h"
#include "model/gpu/transformer.h"

namespace videodiffcr::gpu {

struct ChunkStep {
  int slot = 0;
  uint64_t seed = 0;
  int64_t chunk = 0;
  int step = 0;  // denoising step; the context pass comes after the last
  bool context_pass = false;
  bool rebuild = false;  // a context pass of a chunk that was not made here: the slot's latents are its own
  const RetentionTable* table = nullptr;  // null: the dense model
  // Draws 0 (the chunk's start) to steps - 1 as [chunk frames, C, h, w] fp32 on the device, for checks; null: from
  // seed.
  const std::vector<at::Tensor>* noise = nullptr;
  int64_t evicted_keys = 0;  // out: step 0, keys that the window dropped, mean over blocks
};

class ChunkSampler {
 public:
  // `transformer` and `pool` must outlive it.
  ChunkSampler(const TransformerConfig& config, const RetentionConfig& retention, const StepSchedule& schedule,
               GpuTransformer* transformer, SessionPool* pool);

  int steps() const { return static_cast<int>(sigmas_.size()); }

  // Queues the steps on the current stream, at most kernels::kMostSegments, each of another slot. After a last step the
  // slot's latents are the finished chunk.
  void Run(std::vector<ChunkStep>& steps, const KeptObserver& on_kept = {}, const StreamObserver& on_stream = {});

 private:
  // What stays of the step's chunk; null: everything.
  const CacheShares* SharesOf(const ChunkStep& step) const;

  const TransformerConfig config_;
  const RetentionConfig retention_;
  const std::vector<float> sigmas_;
  GpuTransformer* const transformer_;
  SessionPool* const pool_;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_CHUNK_SAMPLER_H_
