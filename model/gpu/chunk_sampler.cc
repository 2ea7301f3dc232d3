#include "model/gpu/chunk_sampler.h"

#include <c10/cuda/CUDAStream.h>

#include "model/gpu/latent_shape.h"
#include "model/kernels/chunk_latents.h"

namespace videodiffcr::gpu {

ChunkSampler::ChunkSampler(const TransformerConfig& config, const RetentionConfig& retention,
                           const StepSchedule& schedule, GpuTransformer* transformer, SessionPool* pool)
    : config_(config), retention_(retention), sigmas_(schedule.sigmas), transformer_(transformer), pool_(pool) {}

const CacheShares* ChunkSampler::SharesOf(const ChunkStep& step) const {
  return FindCacheShares(retention_.cache, step.table == nullptr ? kDenseTenths : step.table->nominal);
}

void ChunkSampler::Run(std::vector<ChunkStep>& steps, const KeptObserver& on_kept, const StreamObserver& on_stream) {
  const kernels::Stream stream = c10::cuda::getCurrentCUDAStream().stream();
  const kernels::LatentShape shape = LatentShapeOf(config_);
  const auto draw = [](const ChunkStep& step, int number) {
    return kernels::NoiseDraw{step.seed, static_cast<uint64_t>(step.chunk), static_cast<uint32_t>(number)};
  };
  std::vector<PassRequest> requests;
  for (ChunkStep& step : steps) {
    if (!step.context_pass && step.step == 0) {
      step.evicted_keys = pool_->BeginChunk(step.slot, stream);
      at::Tensor latents = pool_->latents(step.slot);
      if (step.noise != nullptr) {
        latents.copy_((*step.noise)[0]);
      } else {
        kernels::FillNoise(shape, draw(step, 0), latents.mutable_data_ptr<float>(), stream);
      }
    }
    if (step.rebuild) pool_->BeginChunk(step.slot, stream);
    PassRequest request;
    request.slot = step.slot;
    request.timestep = step.context_pass ? this->steps() : step.step;
    request.context_pass = step.context_pass;
    request.rule = RuleOfPass(retention_, step.table, step.context_pass);
    request.cache_shares = SharesOf(step);
    requests.push_back(request);
  }
  transformer_->Pass(requests, *pool_, on_kept, on_stream);
  for (size_t i = 0; i < steps.size(); ++i) {
    const ChunkStep& step = steps[i];
    if (step.context_pass) {
      pool_->MarkChunkComplete(step.slot, SharesOf(step), step.seed, stream);
      continue;
    }
    kernels::SamplerStepCall update;
    update.shape = shape;
    update.sigma = sigmas_[step.step];
    update.last = step.step + 1 == this->steps();
    update.next_sigma = update.last ? 0.0f : sigmas_[step.step + 1];
    update.noise = draw(step, step.step + 1);
    if (step.noise != nullptr && !update.last) {
      update.noise_values = (*step.noise)[step.step + 1].const_data_ptr<float>();
    }
    update.flow = transformer_->flow(static_cast<int>(i)).const_data_ptr<float>();
    update.latents = pool_->latents(step.slot).mutable_data_ptr<float>();
    kernels::TakeSamplerStep(update, stream);
  }
}

}  // namespace videodiffcr::gpu
