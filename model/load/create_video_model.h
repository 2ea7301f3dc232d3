// The real VideoModel: a model folder served from this process. See model/api/video_model.h for threads and errors.
#ifndef VIDEODIFFCR_MODEL_LOAD_CREATE_VIDEO_MODEL_H_
#define VIDEODIFFCR_MODEL_LOAD_CREATE_VIDEO_MODEL_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "model/api/video_model.h"
#include "model/config/cache_retention.h"

namespace videodiffcr {

struct VideoModelOptions {
  std::string model_folder;    // holds config.json, safetensors files and spiece.model
  std::string device = "cpu";  // what the passes run on: "cpu", or "cuda" in a build of the preset cuda
  // Processor threads for denoising, decoding not counted. 0: one per processor. Does not change a single bit of the
  // video.
  int threads = 0;
  // Of a GPU only; see model/gpu/video_model.h.
  std::string precision = "bf16";
  int gpu_sessions = 0;
  bool decode_graph = true;
  bool rgb_frames = false;
  // Cut prompts of too many tokens instead of refusing them.
  bool truncate_prompts = false;
  // Instead of what the folder says, to find out what it should say.
  std::optional<CacheRetention> cache_retention = std::nullopt;
  // How far the processor threads stand back, in nice levels, but for the one that calls Run().
  int niceness = 0;
};

// Loads and checks the whole folder. Errors name the file and what is wrong with it.
absl::StatusOr<std::unique_ptr<VideoModel>> CreateVideoModel(const VideoModelOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_LOAD_CREATE_VIDEO_MODEL_H_
