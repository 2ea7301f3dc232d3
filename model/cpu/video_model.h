// The VideoModel on the CPU, made of a model's parts. See model/api/video_model.h for threads and errors.
#ifndef VIDEODIFFCR_MODEL_CPU_VIDEO_MODEL_H_
#define VIDEODIFFCR_MODEL_CPU_VIDEO_MODEL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "model/api/video_model.h"
#include "model/plain/model_parts.h"

namespace videodiffcr::cpu {

// Lanes for so many `threads`; 0: one per processor. From here on no product of this process starts threads of its own:
// lanes and delivery threads are all there are. InvalidArgument below 0.
absl::StatusOr<int> LanesFor(int threads);

// `model` fp32 on the CPU, `lanes` from LanesFor(), whose threads stand back by `niceness`. Torch's exceptions (no
// memory) go through.
absl::StatusOr<std::unique_ptr<VideoModel>> MakeVideoModel(ModelParts model, int lanes, int niceness);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_VIDEO_MODEL_H_
