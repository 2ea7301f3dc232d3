// The figures of docs/models.md: what share of clips shows what the prompt said, condition by condition.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/api/video_model.h"
#include "training/classifier/attribute_classifier.h"
#include "training/evaluation/clip_generator.h"
#include "training/evaluation/plain_sampler.h"
#include "training/evaluation/quality_report.h"

namespace videodiffcr::training {

// What the clips of one row of the table have in common. Judged are the last 45 frames: the last four chunks.
struct EvaluationCondition {
  std::string name;
  RetentionTenths budget = kDenseTenths;
  int64_t chunks = 4;
  int64_t switch_chunk = 0;     // above 0: the prompt changes before this chunk, and the new one is judged
  bool held_out_pairs = false;  // only the shape and colour pairs that training never shows; else all pairs
  TokenRanking ranking = TokenRanking::kRouter;
};

// "dense", or "retention 0.9" and so on.
std::string BudgetName(RetentionTenths budget);
// BudgetName() for every budget of the model, "after K chunks" for `long_chunks`, "prompt switch"
// (before chunk 3 of 8), "held-out pairs".
std::vector<EvaluationCondition> StandardConditions(const std::vector<RetentionTenths>& budgets, int64_t long_chunks);
// Every budget below 1 with random scores and with the oracle's: "retention 0.7, random", "retention 0.7, oracle".
std::vector<EvaluationCondition> BaselineConditions(const std::vector<RetentionTenths>& budgets);

struct EvaluationClip {
  ClipRequest request;
  AttributeValues prompted;
};

// Clip `index` of a condition. Its prompt, its seed and so its noise depend on (seed, index) and, for held-out pairs,
// on that; never on the budget, so budgets are compared on the same noise.
EvaluationClip MakeEvaluationClip(const EvaluationCondition& condition, uint64_t seed, uint64_t index);

// Makes the clips of some requests of one condition: kept frames [requests, frames, 3, height, width] in [0, 1].
struct ClipSource {
  int64_t side_by_side = 1;  // requests worth making in one call
  std::function<absl::StatusOr<at::Tensor>(const EvaluationCondition&, const std::vector<ClipRequest>&)> make;
};
// As the server makes them; routers only. `model` outlives the source.
ClipSource ServedClips(VideoModel& model);
// On the plain path; `sampler` outlives the source.
ClipSource PlainClips(const PlainSampler& sampler, int64_t side_by_side, uint64_t seed);

// Generates and judges `clips` clips, which must come on the classifier's device; calls `progress` with the row so far
// after each group.
absl::StatusOr<QualityRow> EvaluateCondition(const ClipSource& source, const ClassifierWeights& classifier,
                                             const EvaluationCondition& condition, int64_t clips, uint64_t seed,
                                             const std::function<void(const QualityRow&)>& progress);

// Frames of the chunks in playing order: [1, frames, 3, height, width] in [0, 1].
at::Tensor FramesToTensor(const std::vector<FrameChunk>& chunks);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_H_
