#include "model/load/create_video_model.h"

#include <ATen/core/grad_mode.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/cpu/video_model.h"
#ifdef VIDEODIFFCR_CUDA
#include "model/gpu/video_model.h"
#endif
#include "model/load/model_folder.h"

namespace videodiffcr {
namespace {

#ifdef VIDEODIFFCR_CUDA
constexpr char kDevices[] = "must be 'cpu' or 'cuda'";
#else
constexpr char kDevices[] = "this build runs the model on 'cpu' only; the preset cuda knows 'cuda'";
#endif

absl::StatusOr<ModelParts> Load(const VideoModelOptions& options, const ModelPlacement& placement) {
  absl::StatusOr<ModelParts> model = LoadModelFolder(options.model_folder, placement, options.truncate_prompts);
  if (!model.ok() || !options.cache_retention) return model;
  model->config.retention.cache = *options.cache_retention;
  if (absl::Status status = model->config.Validate(); !status.ok()) return status;
  return model;
}

absl::StatusOr<std::unique_ptr<VideoModel>> CreateOnCpu(const VideoModelOptions& options) {
  const absl::StatusOr<int> lanes = cpu::LanesFor(options.threads);
  if (!lanes.ok()) return lanes.status();
  absl::StatusOr<ModelParts> model = Load(options, {});
  if (!model.ok()) return model.status();
  return cpu::MakeVideoModel(*std::move(model), *lanes, options.niceness);
}

#ifdef VIDEODIFFCR_CUDA
absl::StatusOr<std::unique_ptr<VideoModel>> CreateOnGpu(const VideoModelOptions& options) {
  const absl::StatusOr<gpu::DeviceAtStart> device =
      gpu::PrepareDevice({options.precision, options.gpu_sessions, options.decode_graph, options.rgb_frames});
  if (!device.ok()) return device.status();
  absl::StatusOr<ModelParts> model = Load(options, gpu::PlacementFor(*device));
  if (!model.ok()) return model.status();
  return gpu::MakeVideoModel(*std::move(model), *device);
}
#endif

absl::StatusOr<std::unique_ptr<VideoModel>> Create(const VideoModelOptions& options) {
  if (options.device == "cpu") return CreateOnCpu(options);
#ifdef VIDEODIFFCR_CUDA
  if (options.device == "cuda") return CreateOnGpu(options);
#endif
  return absl::InvalidArgumentError(absl::StrCat("device '", options.device, "': ", kDevices));
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoModel>> CreateVideoModel(const VideoModelOptions& options) {
  try {
    const at::NoGradGuard no_gradients;
    return Create(options);
  } catch (const std::exception& error) {
    return absl::InternalError(
        absl::StrCat("loading ", options.model_folder, " for device ", options.device, ": ", error.what()));
  }
}

}  // namespace videodiffcr
