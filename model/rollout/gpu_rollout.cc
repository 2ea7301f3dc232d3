#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/config/retention_table.h"
#include "model/gpu/chunk_sampler.h"
#include "model/gpu/failure.h"
#include "model/gpu/past_rows.h"
#include "model/gpu/video_model.h"
#include "model/gpu/weights.h"
#include "model/rollout/device_rollouts.h"

namespace videodiffcr {
namespace {

absl::Status FailureOf(absl::string_view work, const std::exception& error) {
  absl::Status failure = gpu::FailureOf(work, error);
  if (!absl::IsResourceExhausted(failure)) return failure;
  return absl::ResourceExhaustedError(absl::StrCat(failure.message(), "; fewer clips side by side need less"));
}

class GpuRollout final : public LatentRollout {
 public:
  GpuRollout(ModelConfig config, gpu::GpuTransformerWeights weights, const StepSchedule& schedule,
             const gpu::DeviceAtStart& device, int most_clips)
      : config_(std::move(config)),
        pool_(config_.transformer, device.precision, gpu::ActivationElement(device.precision), most_clips,
              config_.retention),
        transformer_(config_.transformer, config_.retention, std::move(weights), device.precision,
                     gpu::ActivationElement(device.precision), most_clips, device.processors),
        engine_(config_.transformer, config_.retention, schedule, &transformer_, &pool_) {}

  const ModelConfig& config() const override { return config_; }
  at::Device device() const override { return at::kCUDA; }
  int most_clips() const override { return pool_.slots(); }

  absl::Status Begin(const std::vector<RolloutClip>& clips) override {
    if (absl::Status checked = CheckClips(config_.transformer, clips, most_clips()); !checked.ok()) return checked;
    try {
      const at::NoGradGuard no_gradients;
      seeds_.clear();
      chunk_ = 0;
      for (const RolloutClip& clip : clips) {
        const int slot = static_cast<int>(seeds_.size());
        pool_.Clear(slot);
        transformer_.EncodeText(clip.text.to(at::kCUDA), slot, pool_);
        seeds_.push_back(clip.seed);
      }
      return absl::OkStatus();
    } catch (const std::exception& error) {
      return FailureOf("the clips of a rollout", error);
    }
  }

  absl::StatusOr<at::Tensor> NextChunk(RetentionTenths budget, const OnPass& on_pass) override {
    const absl::StatusOr<const RetentionTable*> table = FindTable(config_.retention, budget);
    if (!table.ok()) return table.status();
    for (int step = 0; step < engine_.steps(); ++step) {
      if (absl::Status passed = Denoise(step, *table, on_pass); !passed.ok()) return passed;
    }
    try {
      const at::NoGradGuard no_gradients;
      std::vector<at::Tensor> latents;
      for (size_t clip = 0; clip < seeds_.size(); ++clip) latents.push_back(pool_.latents(static_cast<int>(clip)));
      const at::Tensor chunk = at::stack(latents);
      std::vector<gpu::ChunkStep> steps = Steps(0, *table, /*context_pass=*/true);
      engine_.Run(steps);
      ++chunk_;
      return chunk;
    } catch (const std::exception& error) {
      return FailureOf("a context pass", error);
    }
  }

 private:
  std::vector<gpu::ChunkStep> Steps(int step, const RetentionTable* table, bool context_pass) const {
    std::vector<gpu::ChunkStep> steps;
    for (size_t clip = 0; clip < seeds_.size(); ++clip) {
      gpu::ChunkStep& of_clip = steps.emplace_back();
      of_clip.slot = static_cast<int>(clip);
      of_clip.seed = seeds_[clip];
      of_clip.chunk = chunk_;
      of_clip.step = step;
      of_clip.context_pass = context_pass;
      of_clip.table = table;
    }
    return steps;
  }

  absl::Status Denoise(int step, const RetentionTable* table, const OnPass& on_pass) {
    try {
      const at::NoGradGuard no_gradients;
      if (on_pass) TakeMemoryForStream();
      gpu::StreamObserver observer;
      if (on_pass) observer = [this](int clip, int64_t layer, const at::Tensor& x) { stream_[layer][clip].copy_(x); };
      std::vector<gpu::ChunkStep> steps = Steps(step, table, /*context_pass=*/false);
      engine_.Run(steps, {}, observer);
    } catch (const std::exception& error) {
      return FailureOf("a pass", error);
    }
    return on_pass ? on_pass({chunk_, step, stream_}) : absl::OkStatus();
  }

  void TakeMemoryForStream() {
    const TransformerConfig& c = config_.transformer;
    const std::vector<int64_t> shape = {c.num_layers + 1, static_cast<int64_t>(seeds_.size()), c.tokens_per_chunk(),
                                        c.dim};
    if (stream_.defined() && stream_.sizes() == at::IntArrayRef(shape)) return;
    stream_.reset();  // before the new one is taken
    stream_ = at::empty(shape, at::TensorOptions(at::kCUDA).dtype(at::kFloat));
  }

  const ModelConfig config_;
  gpu::SessionPool pool_;
  gpu::GpuTransformer transformer_;
  gpu::ChunkSampler engine_;
  std::vector<uint64_t> seeds_;  // of the clip in each slot
  int64_t chunk_ = 0;
  at::Tensor stream_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LatentRollout>> MakeGpuRollout(ModelConfig config, TransformerWeights weights,
                                                              const StepSchedule& schedule,
                                                              const LatentRolloutOptions& options) {
  if (options.precision != "bf16" && options.precision != "fp32") {
    return absl::InvalidArgumentError(absl::StrCat("precision '", options.precision, "': must be bf16 or fp32"));
  }
  const absl::Status kept = gpu::CheckCacheRetention(config.transformer, config.retention.cache);
  if (!kept.ok()) return kept;
  const absl::StatusOr<gpu::DeviceAtStart> device = gpu::PrepareDevice({.precision = options.precision});
  if (!device.ok()) return device.status();
  absl::StatusOr<gpu::GpuTransformerWeights> packed =
      gpu::MakeGpuWeights(config.transformer, weights, schedule.timesteps_and_context(), device->precision);
  if (!packed.ok()) return packed.status();
  weights = {};  // packed above
  const int worth = gpu::SessionsPerPass(config.transformer);
  const int most = options.most_clips == 0 ? worth : std::min(options.most_clips, worth);
  return std::make_unique<GpuRollout>(std::move(config), *std::move(packed), schedule, *device, most);
}

}  // namespace videodiffcr
