#include "training/evaluation/plain_sampler.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "training/run/random_tensor.h"
#include "training/stages/self_rollout.h"
#include "training/students/routed_student.h"

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
  absl::StatusOr<TrainingModel> loaded = LoadTrainingModel(folder, device);
  if (!loaded.ok()) return loaded.status();
  const auto model = std::make_shared<TrainingModel>(*std::move(loaded));
  if (!model->config.retention.file.empty()) {
    if (absl::Status routers = LoadRouters(folder, model.get()); !routers.ok()) return routers;
  }
  return PlainSampler(model, std::make_shared<RoutedStudent>(*model, 0.0));
}

ChunkNoise PlainSampler::Noise(const std::vector<ClipRequest>& requests, int64_t chunk) const {
  const int64_t steps = static_cast<int64_t>(model_->schedule.sigmas.size());
  std::vector<ChunkNoise> of_request(requests.size());
  at::parallel_for(0, static_cast<int64_t>(requests.size()), 1, [&](int64_t begin, int64_t end) {
    const c10::NoGradGuard no_gradients;
    for (int64_t i = begin; i < end; ++i) {
      const size_t request = static_cast<size_t>(i);
      of_request[request] = DrawChunkNoise(model_->transformer, requests[request].seed, chunk, steps);
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
  const std::vector<RetentionTenths> known = budgets();
  if (std::find(known.begin(), known.end(), first.budget) == known.end()) {
    return absl::InvalidArgumentError(absl::StrCat("budget ", first.budget, " tenths: the model has no such table"));
  }
  const auto network = student_->Open({first.budget, at::kFloat, {}, ScorerOf(ranking, seed, model_->device)});
  RolloutState state(model_->config.transformer);
  std::vector<at::Tensor> memories, kept;
  for (int64_t chunk = 0; chunk < first.chunks; ++chunk) {
    if (first.prompts.count(chunk) > 0) {
      std::vector<std::string> prompts;
      for (const ClipRequest& request : requests) prompts.push_back(request.prompts.at(chunk));
      const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(*model_, prompts);
      if (!hidden.ok()) return hidden.status();
      state.text = network->MakeText(*hidden);
    }
    const ChunkNoise noise = Noise(requests, chunk);
    const at::Tensor latents = DenoiseChunk(
        *network, model_->schedule, noise.size() - 1, PassKind::kServed, [&noise](size_t step) { return noise[step]; },
        state);
    state.cache.Append(network->ContextKeys(latents, state));
    const at::Tensor frames = DecodePixelShuffleTaehv(model_->decoder, latents, &memories);
    if (chunk < first.first_kept_chunk) continue;
    // The first three frames of a stream only fill the decoder (tiny_recipe.md section 2).
    const at::Tensor shown = chunk == 0 ? frames.slice(1, 3) : frames;
    kept.push_back((shown.clamp(0, 1) * 255).round().div_(255));
  }
  return at::cat(kept, 1);
}

}  // namespace videodiffcr::training
