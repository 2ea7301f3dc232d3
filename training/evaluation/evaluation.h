// The figures of docs/models.md: what share of clips shows what the prompt said, condition by condition.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/classifier/attribute_classifier.h"
#include "training/evaluation/clip_record.h"
#include "training/evaluation/clip_source.h"
#include "training/evaluation/evaluation_condition.h"
#include "training/evaluation/quality_report.h"

namespace videodiffcr::training {

struct EvaluationSettings {
  int64_t clips = 64;
  uint64_t seed = 1;     // prompts and noise follow from it
  bool proxies = false;  // video quality too (video_proxies.h)
  std::string method;    // names the records
  std::string training_seed;
};

struct ConditionResult {
  QualityRow row;
  JudgedClips judged;
};

// Called with the row so far after each group of clips.
using EvaluationProgress = std::function<void(const QualityRow&)>;

// Generates and judges clips, which must come on the classifier's device. Drift: see identity_drift.h.
absl::StatusOr<ConditionResult> EvaluateCondition(const ClipSource& source, const ClassifierWeights& classifier,
                                                  const EvaluationCondition& condition,
                                                  const EvaluationSettings& settings,
                                                  const EvaluationProgress& progress);

// What EvaluateCondition() would find if the model were the renderer: the ceiling of every figure.
ConditionResult EvaluateRenders(const ClassifierWeights& classifier, const EvaluationSettings& settings);

// The group of a condition's records.
ClipGroup GroupOf(const ClipSource& source, const EvaluationCondition& condition, const EvaluationSettings& settings);

// Clips begin, begin + 1, ... of a condition: at most as many as the source makes side by side.
struct ClipBatch {
  int64_t begin = 0;
  std::vector<EvaluationClip> clips;

  std::vector<ClipRequest> requests() const;
};
ClipBatch MakeBatch(const EvaluationCondition& condition, const EvaluationSettings& settings, int64_t begin,
                    int64_t side_by_side);

// One record per clip, with what was prompted and which attributes are right.
std::vector<ClipRecord> RecordAttributes(const ClipBatch& batch, const std::vector<AttributeValues>& read);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_H_
