#include <ATen/core/grad_mode.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/load/model_folder.h"
#include "model/rollout/device_rollouts.h"

namespace videodiffcr {
namespace {

absl::StatusOr<std::unique_ptr<LatentRollout>> Create(const LatentRolloutOptions& options) {
  const bool on_gpu = options.device == "cuda";
#if !defined(VIDEODIFFCR_CUDA)
  if (on_gpu) {
    return absl::InvalidArgumentError(
        "device 'cuda': this build runs the model on 'cpu' only; the preset cuda knows 'cuda'");
  }
#endif
  if (!on_gpu && options.device != "cpu") {
    return absl::InvalidArgumentError(absl::StrCat("device '", options.device, "': must be cpu or cuda"));
  }
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model_folder);
  if (!config.ok()) return config.status();
  if (absl::Status servable = CheckServable(options.model_folder); !servable.ok()) return servable;
  const absl::StatusOr<StepSchedule> schedule = MakeStepSchedule(config->sampling);
  if (!schedule.ok()) return schedule.status();
  WeightOptions weight_options;
  weight_options.device = on_gpu ? at::kCUDA : at::kCPU;
  absl::StatusOr<TransformerWeights> weights = LoadTransformerOf(options.model_folder, *config, weight_options);
  if (!weights.ok()) return weights.status();
#if defined(VIDEODIFFCR_CUDA)
  if (on_gpu) return MakeGpuRollout(*std::move(config), *std::move(weights), *schedule, options);
#endif
  return MakeCpuRollout(*std::move(config), *std::move(weights), *schedule, options);
}

}  // namespace

absl::Status CheckClips(const TransformerConfig& config, const std::vector<RolloutClip>& clips, int most_clips) {
  if (clips.empty() || clips.size() > static_cast<size_t>(most_clips)) {
    return absl::InvalidArgumentError(
        absl::StrCat(clips.size(), " clips side by side: must be from 1 to ", most_clips));
  }
  for (size_t i = 0; i < clips.size(); ++i) {
    const at::Tensor& text = clips[i].text;
    if (text.dim() == 2 && text.size(0) >= 1 && text.size(0) <= config.text_len && text.size(1) == config.text_dim) {
      continue;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("text of clip ", i, ": must be 1 to ", config.text_len, " rows of ", config.text_dim));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LatentRollout>> CreateLatentRollout(const LatentRolloutOptions& options) {
  try {
    const at::NoGradGuard no_gradients;
    return Create(options);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("loading the transformer of ", options.model_folder, " for device ",
                                            options.device, ": ", error.what()));
  }
}

}  // namespace videodiffcr
