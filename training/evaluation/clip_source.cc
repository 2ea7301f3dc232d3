#include "training/evaluation/clip_source.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <deque>

namespace videodiffcr::training {
namespace {

constexpr size_t kWindowChunks = 4;

RetentionCost CostOf(const ModelConfig& config, const EvaluationCondition& condition) {
  const absl::StatusOr<const RetentionTable*> table = FindTable(config.retention, condition.budget);
  if (table.ok() && *table != nullptr) return CostOfTable(config, **table, condition.chunks);
  const int64_t passes = static_cast<int64_t>(config.sampling.denoise_steps.size());
  return CostOfTable(config, DenseRetentionTable(config.transformer.num_layers, passes), condition.chunks);
}

}  // namespace

at::Tensor FramesToTensor(const std::vector<FrameChunk>& chunks) {
  std::vector<at::Tensor> parts;
  parts.reserve(chunks.size());
  for (const FrameChunk& chunk : chunks) {
    // from_blob() wants a mutable pointer; the tensor is only read, and copied by to().
    parts.push_back(at::from_blob(const_cast<uint8_t*>(chunk.pixels.data()),
                                  {chunk.frame_count, chunk.height, chunk.width, 3}, at::kByte)
                        .to(at::kFloat));
  }
  return (at::cat(parts).permute({0, 3, 1, 2}) / 255).unsqueeze(0).contiguous();
}

ClipSource ServedClips(VideoModel& model, const ModelConfig& config) {
  ClipSource source;
  source.side_by_side = std::max(1, model.info().max_sessions_per_plan);
  source.make = [&model](const EvaluationCondition&, const std::vector<ClipRequest>& requests,
                         const ChunkVisitor& visit) -> absl::Status {
    const absl::StatusOr<std::vector<std::vector<FrameChunk>>> clips = GenerateClips(model, requests);
    if (!clips.ok()) return clips.status();
    const int64_t first = requests.front().first_kept_chunk;
    for (int64_t chunk = first; chunk < requests.front().chunks; ++chunk) {
      std::vector<at::Tensor> frames;
      for (const std::vector<FrameChunk>& clip : *clips) {
        frames.push_back(FramesToTensor({clip[static_cast<size_t>(chunk - first)]}));
      }
      visit(chunk, at::cat(frames));
    }
    return absl::OkStatus();
  };
  source.cost = [config](const EvaluationCondition& condition) { return CostOf(config, condition); };
  return source;
}

ClipSource PlainClips(const PlainSampler& sampler, int64_t side_by_side, uint64_t seed) {
  ClipSource source;
  source.side_by_side = side_by_side;
  source.make = [&sampler, seed](const EvaluationCondition& condition, const std::vector<ClipRequest>& requests,
                                 const ChunkVisitor& visit) {
    return sampler.Generate(requests, condition.ranking, seed, visit);
  };
  source.cost = [&sampler](const EvaluationCondition& condition) {
    const PassRows rows = sampler.RowsOf(condition.budget);
    return rows.empty() ? CostOf(sampler.config(), condition) : CostOfRows(sampler.config(), rows, condition.chunks);
  };
  return source;
}

absl::StatusOr<at::Tensor> MakeClips(const ClipSource& source, const EvaluationCondition& condition,
                                     const std::vector<ClipRequest>& requests) {
  std::vector<at::Tensor> kept;
  const absl::Status made =
      source.make(condition, requests, [&kept](int64_t, const at::Tensor& frames) { kept.push_back(frames); });
  if (!made.ok()) return made;
  return at::cat(kept, 1);
}

absl::Status JudgeWindows(const ClipSource& source, const EvaluationCondition& condition,
                          const std::vector<ClipRequest>& requests, const std::vector<int64_t>& ends,
                          const WindowJudge& judge) {
  std::deque<at::Tensor> window;
  return source.make(condition, requests, [&](int64_t chunk, const at::Tensor& frames) {
    window.push_back(frames);
    if (window.size() > kWindowChunks) window.pop_front();
    if (window.size() == kWindowChunks && std::find(ends.begin(), ends.end(), chunk + 1) != ends.end()) {
      judge(chunk + 1, at::cat(std::vector<at::Tensor>(window.begin(), window.end()), 1));
    }
  });
}

}  // namespace videodiffcr::training
