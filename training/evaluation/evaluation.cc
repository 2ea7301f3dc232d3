#include "training/evaluation/evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "system/steady_time.h"
#include "training/data/clip_painter.h"
#include "training/evaluation/frechet_distance.h"
#include "training/scenes/caption.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kJudgedChunks = 4;  // 45 frames from a video's start, 48 later

AttributeValues DrawAttributes(bool held_out_pairs, RandomStream& random) {
  AttributeValues values;
  for (int i = 0; i < kAttributeCount; ++i) values[i] = random.Below(ValueCount(static_cast<Attribute>(i)));
  if (held_out_pairs) {
    while (!IsHeldOutPair(values[kShape], values[kColor])) values[kColor] = (values[kColor] + 1) % ValueCount(kColor);
  }
  return values;
}

std::string Caption(const AttributeValues& values, RandomStream& random) {
  return MakeCaption(MakeScene(values, random).segments[0], kCompleteCaption, random);
}

}  // namespace

std::string BudgetName(RetentionTenths budget) {
  return budget == kDenseTenths ? "dense" : absl::StrFormat("retention %.1f", budget / 10.0);
}

std::vector<EvaluationCondition> StandardConditions(const std::vector<RetentionTenths>& budgets, int64_t long_chunks) {
  std::vector<EvaluationCondition> conditions;
  for (const RetentionTenths budget : budgets) conditions.push_back({BudgetName(budget), budget});
  conditions.push_back({absl::StrCat("after ", long_chunks, " chunks"), kDenseTenths, long_chunks});
  conditions.push_back({"prompt switch", kDenseTenths, 8, /*switch_chunk=*/3});
  conditions.push_back({"held-out pairs", kDenseTenths, 4, 0, /*held_out_pairs=*/true});
  return conditions;
}

std::vector<EvaluationCondition> BaselineConditions(const std::vector<RetentionTenths>& budgets) {
  std::vector<EvaluationCondition> conditions;
  for (const RetentionTenths budget : budgets) {
    if (budget == kDenseTenths) continue;
    conditions.push_back({BudgetName(budget) + ", random", budget, 4, 0, false, TokenRanking::kRandom});
    conditions.push_back({BudgetName(budget) + ", oracle", budget, 4, 0, false, TokenRanking::kUpdateNorm});
  }
  return conditions;
}

EvaluationClip MakeEvaluationClip(const EvaluationCondition& condition, uint64_t seed, uint64_t index) {
  RandomStream random(seed, DrawPurpose::kEvaluation, index);
  EvaluationClip clip;
  clip.request.seed = random.Bits64();
  clip.request.budget = condition.budget;
  clip.request.chunks = condition.chunks;
  clip.request.first_kept_chunk = std::max<int64_t>(0, condition.chunks - kJudgedChunks);
  clip.prompted = DrawAttributes(condition.held_out_pairs, random);
  clip.request.prompts[0] = Caption(clip.prompted, random);
  if (condition.switch_chunk > 0) {
    const AttributeValues fresh = DrawAttributes(condition.held_out_pairs, random);
    for (int i = 0; i < kAttributeCount; ++i) {
      if (random.Chance(0.4)) clip.prompted[i] = fresh[i];  // as training's switches
    }
    clip.request.prompts[condition.switch_chunk] = Caption(clip.prompted, random);
  }
  return clip;
}

at::Tensor FramesToTensor(const std::vector<FrameChunk>& chunks) {
  std::vector<at::Tensor> parts;
  for (const FrameChunk& chunk : chunks) {
    // from_blob() wants a mutable pointer; the tensor is only read, and copied by to().
    parts.push_back(at::from_blob(const_cast<uint8_t*>(chunk.pixels.data()),
                                  {chunk.frame_count, chunk.height, chunk.width, 3}, at::kByte)
                        .to(at::kFloat));
  }
  return (at::cat(parts).permute({0, 3, 1, 2}) / 255).unsqueeze(0).contiguous();
}

ClipSource ServedClips(VideoModel& model) {
  const auto make = [&model](const EvaluationCondition&,
                             const std::vector<ClipRequest>& requests) -> absl::StatusOr<at::Tensor> {
    const absl::StatusOr<std::vector<std::vector<FrameChunk>>> clips = GenerateClips(model, requests);
    if (!clips.ok()) return clips.status();
    std::vector<at::Tensor> frames;
    for (const std::vector<FrameChunk>& clip : *clips) frames.push_back(FramesToTensor(clip));
    return at::cat(frames);
  };
  return {std::max(1, model.info().max_sessions_per_plan), make};
}

ClipSource PlainClips(const PlainSampler& sampler, int64_t side_by_side, uint64_t seed) {
  const auto make = [&sampler, seed](const EvaluationCondition& condition, const std::vector<ClipRequest>& requests) {
    return sampler.Generate(requests, condition.ranking, seed);
  };
  return {side_by_side, make};
}

absl::StatusOr<QualityRow> EvaluateCondition(const ClipSource& source, const ClassifierWeights& classifier,
                                             const EvaluationCondition& condition, int64_t clips, uint64_t seed,
                                             const std::function<void(const QualityRow&)>& progress) {
  QualityRow row;
  row.condition = condition.name;
  const absl::Time start = SteadyNow();
  const ClipPainter painter(classifier.features.weight.device());
  std::vector<at::Tensor> features, of_renders;
  for (int64_t begin = 0; begin < clips; begin += source.side_by_side) {
    std::vector<EvaluationClip> made;
    std::vector<ClipRequest> requests;
    std::vector<ClipToPaint> renders;  // of the same prompts
    for (int64_t index = begin; index < std::min(clips, begin + source.side_by_side); ++index) {
      made.push_back(MakeEvaluationClip(condition, seed, static_cast<uint64_t>(index)));
      requests.push_back(made.back().request);
      RandomStream random(seed, DrawPurpose::kEvaluation, ~static_cast<uint64_t>(index));
      renders.push_back({MakeScene(made.back().prompted, random), 0});
    }
    const absl::StatusOr<at::Tensor> frames = source.make(condition, requests);
    if (!frames.ok()) return frames.status();
    features.push_back(ClipFeatures(classifier, ReadFrames(*frames)));
    of_renders.push_back(ClipFeatures(classifier, ReadFrames(painter.Paint(renders, kJudgedFrames).pixels)));
    const std::vector<AttributeValues> read = ReadFeatures(classifier, features.back());
    for (size_t i = 0; i < made.size(); ++i) AddClip(made[i].prompted, read[i], row);
    row.seconds = absl::ToDoubleSeconds(SteadyNow() - start);
    progress(row);
  }
  if (clips > 1) row.frechet_distance = FrechetDistance(at::cat(features), at::cat(of_renders));
  return row;
}

}  // namespace videodiffcr::training
