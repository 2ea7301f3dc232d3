#include "training/evaluation/evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>

#include "absl/time/time.h"
#include "system/steady_time.h"
#include "training/data/clip_painter.h"
#include "training/evaluation/frechet_distance.h"
#include "training/evaluation/object_view.h"
#include "training/evaluation/video_proxies.h"

namespace videodiffcr::training {
namespace {

// Judges batch after batch of one condition.
class ConditionJudge {
 public:
  ConditionJudge(const ClassifierWeights& classifier, const EvaluationSettings& settings, ConditionResult* result)
      : classifier_(classifier), settings_(settings), result_(*result), painter_(classifier.features.weight.device()) {}

  // Frames [clips, 45 or more, 3, height, width].
  void Judge(const ClipBatch& batch, const at::Tensor& frames) {
    features_.push_back(ClipFeatures(classifier_, ReadFrames(frames)));
    const at::Tensor renders = ReadFrames(PaintPrompts(batch, ~uint64_t{0}));
    of_renders_.push_back(ClipFeatures(classifier_, renders));
    const std::vector<AttributeValues> read = ReadFeatures(classifier_, features_.back());
    std::vector<ClipRecord> records = RecordAttributes(batch, read);
    if (settings_.proxies) {
      ProxyInput input = {frames, renders, PaintBackgrounds(painter_, read), {}};
      for (const EvaluationClip& clip : batch.clips) input.still.push_back(clip.prompted[kMotion] == kStill);
      MeasureProxies(classifier_, input, records);
    }
    for (size_t i = 0; i < read.size(); ++i) AddClip(batch.clips[i].prompted, read[i], result_.row);
    std::vector<ClipRecord>& all = result_.judged.clips;
    all.insert(all.end(), records.begin(), records.end());
  }

  // A render per prompt of the batch, 45 frames. `which` tells the renders to compare with from those to judge.
  at::Tensor PaintPrompts(const ClipBatch& batch, uint64_t which) const {
    std::vector<ClipToPaint> renders;
    for (size_t i = 0; i < batch.clips.size(); ++i) {
      const uint64_t index = static_cast<uint64_t>(batch.begin) + i;
      RandomStream random(settings_.seed, DrawPurpose::kEvaluation, which ^ index);
      renders.push_back({MakeScene(batch.clips[i].drawn, random), 0});
    }
    return painter_.Paint(renders, kJudgedFrames).pixels;
  }

  void Finish() {
    if (result_.judged.clips.size() < 2) return;  // no covariance of one
    const at::Tensor per_clip = FrechetDistancePerClip(at::cat(features_), at::cat(of_renders_));
    for (size_t i = 0; i < result_.judged.clips.size(); ++i) {
      result_.judged.clips[i].values[kFrechet] = per_clip.const_data_ptr<double>()[i];
    }
    result_.row.frechet_distance = per_clip.mean().item<double>();
  }

 private:
  const ClassifierWeights& classifier_;
  const EvaluationSettings& settings_;
  ConditionResult& result_;
  const ClipPainter painter_;
  std::vector<at::Tensor> features_, of_renders_;
};

}  // namespace

std::vector<ClipRequest> ClipBatch::requests() const {
  std::vector<ClipRequest> requests;
  for (const EvaluationClip& clip : clips) requests.push_back(clip.request);
  return requests;
}

ClipBatch MakeBatch(const EvaluationCondition& condition, const EvaluationSettings& settings, int64_t begin,
                    int64_t side_by_side) {
  ClipBatch batch;
  batch.begin = begin;
  for (int64_t index = begin; index < std::min(settings.clips, begin + side_by_side); ++index) {
    batch.clips.push_back(MakeEvaluationClip(condition, settings.seed, static_cast<uint64_t>(index)));
  }
  return batch;
}

std::vector<ClipRecord> RecordAttributes(const ClipBatch& batch, const std::vector<AttributeValues>& read) {
  std::vector<ClipRecord> records(read.size());
  for (size_t clip = 0; clip < read.size(); ++clip) {
    ClipRecord& record = records[clip];
    record.clip = batch.begin + static_cast<int64_t>(clip);
    record.prompted = batch.clips[clip].prompted;
    bool all = true;
    for (int i = 0; i < kAttributeCount; ++i) {
      if (!IsAsked(record.prompted, static_cast<Attribute>(i))) continue;
      const bool right = record.prompted[i] == read[clip][i];
      record.values[i] = right;
      all = all && right;
    }
    record.values[kAllRight] = all;
  }
  return records;
}

ClipGroup GroupOf(const ClipSource& source, const EvaluationCondition& condition, const EvaluationSettings& settings) {
  ClipGroup group;
  group.method = settings.method;
  group.training_seed = settings.training_seed;
  group.condition = KindName(condition.kind);
  group.budget = condition.budget;
  group.scores = RankingName(condition.ranking);
  group.evaluation_seed = settings.seed;
  group.cost = source.cost(condition);
  return group;
}

absl::StatusOr<ConditionResult> EvaluateCondition(const ClipSource& source, const ClassifierWeights& classifier,
                                                  const EvaluationCondition& condition,
                                                  const EvaluationSettings& settings,
                                                  const EvaluationProgress& progress) {
  ConditionResult result;
  result.judged.group = GroupOf(source, condition, settings);
  result.row.condition = condition.name;
  result.row.cost = result.judged.group.cost;
  const absl::Time start = SteadyNow();
  ConditionJudge judge(classifier, settings, &result);
  for (int64_t begin = 0; begin < settings.clips; begin += source.side_by_side) {
    const ClipBatch batch = MakeBatch(condition, settings, begin, source.side_by_side);
    const absl::StatusOr<at::Tensor> frames = MakeClips(source, condition, batch.requests());
    if (!frames.ok()) return frames.status();
    judge.Judge(batch, *frames);
    result.row.seconds = absl::ToDoubleSeconds(SteadyNow() - start);
    progress(result.row);
  }
  judge.Finish();
  return result;
}

ConditionResult EvaluateRenders(const ClassifierWeights& classifier, const EvaluationSettings& settings) {
  constexpr int64_t kSideBySide = 16;
  constexpr uint64_t kJudged = uint64_t{1} << 63;
  ConditionResult result;
  result.row.condition = "renders";
  ConditionJudge judge(classifier, settings, &result);
  for (int64_t begin = 0; begin < settings.clips; begin += kSideBySide) {
    const ClipBatch batch = MakeBatch({}, settings, begin, kSideBySide);
    judge.Judge(batch, judge.PaintPrompts(batch, kJudged));
  }
  judge.Finish();
  return result;
}

}  // namespace videodiffcr::training
