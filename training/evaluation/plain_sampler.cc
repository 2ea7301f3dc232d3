#include "training/evaluation/plain_sampler.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {
namespace {

TokenScorer ScorerOf(TokenRanking ranking, uint64_t seed, at::Device device) {
  if (ranking == TokenRanking::kUpdateNorm) {
    return [](const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
      return (DenseBlock(weights, context, x).x - x).norm(2, {-1}).to(at::kFloat);
    };
  }
  if (ranking == TokenRanking::kRouter) return {};
  const auto random = std::make_shared<StepRandom>(seed, 0, device);
  return [random](const BlockWeights&, const BlockContext&, const at::Tensor& x) {
    return random->Uniform({x.size(0), x.size(1)});
  };
}

}  // namespace

absl::StatusOr<PlainSampler> PlainSampler::Load(const std::string& folder, at::Device device) {
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(folder, device);
  if (!model.ok()) return model.status();
  if (!model->config.retention.file.empty()) {
    if (absl::Status routers = LoadRouters(folder, &*model); !routers.ok()) return routers;
  }
  return PlainSampler(*std::move(model));
}

std::vector<RetentionTenths> PlainSampler::budgets() const {
  std::vector<RetentionTenths> budgets = {kDenseTenths};
  for (const RetentionTable& table : model_.config.retention.tables) budgets.push_back(table.nominal);
  return budgets;
}

absl::StatusOr<RetentionTable> PlainSampler::TableOf(RetentionTenths budget) const {
  const absl::StatusOr<const RetentionTable*> table = FindTable(model_.config.retention, budget);
  if (!table.ok()) return table.status();
  if (*table != nullptr) return **table;
  return DenseRetentionTable(model_.config.transformer.num_layers, static_cast<int64_t>(model_.schedule.sigmas.size()));
}

SamplerOptions PlainSampler::Options(TokenRanking ranking, uint64_t seed) const {
  const RetentionConfig& retention = model_.config.retention;
  SamplerOptions options;
  options.schedule = model_.schedule;
  options.routing = {retention.gate, retention.kv_mode, retention.frame_floor, ScorerOf(ranking, seed, model_.device)};
  options.context_mode = retention.context_mode;
  return options;
}

ChunkNoise PlainSampler::Noise(const std::vector<ClipRequest>& requests, int64_t chunk) const {
  const int64_t steps = static_cast<int64_t>(model_.schedule.sigmas.size());
  std::vector<ChunkNoise> of_request(requests.size());
  at::parallel_for(0, static_cast<int64_t>(requests.size()), 1, [&](int64_t begin, int64_t end) {
    const c10::NoGradGuard no_gradients;
    for (int64_t i = begin; i < end; ++i) {
      const size_t request = static_cast<size_t>(i);
      of_request[request] = DrawChunkNoise(model_.transformer, requests[request].seed, chunk, steps);
    }
  });
  ChunkNoise noise;
  for (size_t step = 0; step < static_cast<size_t>(steps); ++step) {
    std::vector<at::Tensor> parts;
    for (const ChunkNoise& own : of_request) parts.push_back(own[step]);
    noise.push_back(at::cat(parts));
  }
  return noise;
}

absl::StatusOr<at::Tensor> PlainSampler::Generate(const std::vector<ClipRequest>& requests, TokenRanking ranking,
                                                  uint64_t seed) const {
  const c10::NoGradGuard no_gradients;
  const ClipRequest& first = requests.front();
  const absl::StatusOr<RetentionTable> table = TableOf(first.budget);
  if (!table.ok()) return table.status();
  const SamplerOptions options = Options(ranking, seed);
  RolloutState state(model_.config.transformer);
  std::vector<at::Tensor> memories, kept;
  for (int64_t chunk = 0; chunk < first.chunks; ++chunk) {
    if (first.prompts.count(chunk) > 0) {
      std::vector<std::string> prompts;
      for (const ClipRequest& request : requests) prompts.push_back(request.prompts.at(chunk));
      const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model_, prompts);
      if (!hidden.ok()) return hidden.status();
      state.text = MakeTextKeys(model_.transformer, *hidden);
    }
    const SampledChunk sampled = SampleChunk(model_.transformer, options, *table, Noise(requests, chunk), &state);
    const at::Tensor frames = DecodePixelShuffleTaehv(model_.decoder, sampled.latents, &memories);
    if (chunk < first.first_kept_chunk) continue;
    // The first three frames of a stream only fill the decoder (tiny_recipe.md section 2).
    const at::Tensor shown = chunk == 0 ? frames.slice(1, 3) : frames;
    kept.push_back((shown.clamp(0, 1) * 255).round().div_(255));
  }
  return at::cat(kept, 1);
}

}  // namespace videodiffcr::training
