// Where judged clips come from: the served path, the plain path, or the renderer. Chunk by chunk, so that a video of
// any length fits.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_CLIP_SOURCE_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_CLIP_SOURCE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/api/video_model.h"
#include "training/evaluation/clip_generator.h"
#include "training/evaluation/evaluation_condition.h"
#include "training/evaluation/plain_sampler.h"
#include "training/evaluation/retention_cost.h"

namespace videodiffcr::training {

// Makes the clips of some requests of one condition, which have their lengths in common.
struct ClipSource {
  int64_t side_by_side = 1;  // requests worth making in one call
  std::function<absl::Status(const EvaluationCondition&, const std::vector<ClipRequest>&, const ChunkVisitor&)> make;
  std::function<RetentionCost(const EvaluationCondition&)> cost;
};

// As the server makes them; routers only. `model` outlives the source.
ClipSource ServedClips(VideoModel& model, const ModelConfig& config);
// On the plain path; `sampler` outlives the source. `seed`: of random rankings.
ClipSource PlainClips(const PlainSampler& sampler, int64_t side_by_side, uint64_t seed);

// Kept frames of all requests at once, [requests, frames, 3, height, width] in [0, 1].
absl::StatusOr<at::Tensor> MakeClips(const ClipSource& source, const EvaluationCondition& condition,
                                     const std::vector<ClipRequest>& requests);

// Calls `judge` with the last four chunks, [requests, 45 or 48 frames, 3, height, width], whenever as many chunks are
// done as one of `ends` says; no more than four chunks are held.
using WindowJudge = std::function<void(int64_t end, const at::Tensor& frames)>;
absl::Status JudgeWindows(const ClipSource& source, const EvaluationCondition& condition,
                          const std::vector<ClipRequest>& requests, const std::vector<int64_t>& ends,
                          const WindowJudge& judge);

// Frames of the chunks in playing order: [1, frames, 3, height, width] in [0, 1].
at::Tensor FramesToTensor(const std::vector<FrameChunk>& chunks);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_CLIP_SOURCE_H_
