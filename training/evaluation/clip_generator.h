// Clips made the way a server makes them: through VideoModel, session by session and plan by plan.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_CLIP_GENERATOR_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_CLIP_GENERATOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/api/frame_chunk.h"
#include "model/api/video_model.h"

namespace videodiffcr::training {

struct ClipRequest {
  std::map<int64_t, std::string> prompts;  // by the first chunk that shows them; chunk 0 must have one
  uint64_t seed = 0;
  RetentionTenths budget = kDenseTenths;
  int64_t chunks = 4;
  int64_t first_kept_chunk = 0;  // frames of earlier chunks are decoded and dropped
};

// Frames of the kept chunks of each request, in playing order. Requests run side by side, as many as the model says is
// worth it; which ones run together does not change a bit on the CPU. The first error ends it.
absl::StatusOr<std::vector<std::vector<FrameChunk>>> GenerateClips(VideoModel& model,
                                                                   const std::vector<ClipRequest>& requests);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_CLIP_GENERATOR_H_
