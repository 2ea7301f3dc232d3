#include "training/evaluation/plain_sampler.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "training/scenes/random_stream.h"
#include "training/stages/self_rollout.h"
#include "training/students/baselines.h"
#include "training/students/routed_network.h"
#include "training/students/routed_student.h"

namespace videodiffcr::training {
namespace {

std::vector<uint64_t> SeedsOf(const std::vector<ClipRequest>& requests) {
  std::vector<uint64_t> seeds;
  seeds.reserve(requests.size());
  for (const ClipRequest& request : requests) seeds.push_back(request.seed);
  return seeds;
}

TokenScorer ScorerOf(TokenRanking ranking, uint64_t seed, const std::vector<ClipRequest>& requests) {
  if (ranking == TokenRanking::kUpdateNorm) return UpdateNormScores;
  if (ranking == TokenRanking::kRouter) return {};
  const auto calls = std::make_shared<uint64_t>(0);
  return [seed, clip_seeds = SeedsOf(requests), calls](const BlockWeights&, const BlockContext&, const at::Tensor& x) {
    return RandomScores(seed, clip_seeds, (*calls)++, x.size(1)).to(x.device());
  };
}

void KeepFirstBlocks(int64_t blocks, TrainingModel* model) {
  model->transformer.weights.blocks.resize(static_cast<size_t>(blocks));
  model->transformer.config.num_layers = model->config.transformer.num_layers = blocks;
  model->config.retention = {};  // routers and tables are made for all blocks
}

}  // namespace

at::Tensor RandomScores(uint64_t seed, const std::vector<uint64_t>& clip_seeds, uint64_t call, int64_t tokens) {
  const int64_t clips = static_cast<int64_t>(clip_seeds.size());
  at::Tensor scores = at::empty({clips, tokens}, at::kFloat);
  float* out = scores.mutable_data_ptr<float>();
  at::parallel_for(0, clips, 16, [&](int64_t begin, int64_t end) {
    for (int64_t clip = begin; clip < end; ++clip) {
      // The clip's seed names a stream of the ranking's seed; what it draws is the seed of the clip's own streams.
      RandomStream of_clip(seed, DrawPurpose::kRandomScores, clip_seeds[static_cast<size_t>(clip)]);
      RandomStream random(of_clip.Bits64(), DrawPurpose::kRandomScores, call);
      for (int64_t token = 0; token < tokens; ++token) {
        out[clip * tokens + token] = static_cast<float>(random.Uniform());
      }
    }
  });
  return scores;
}

absl::StatusOr<PlainSampler> PlainSampler::Load(const std::string& folder, at::Device device,
                                                std::optional<int64_t> blocks, std::optional<CacheRetention> cache) {
  absl::StatusOr<TrainingModel> loaded = LoadTrainingModel(folder, device);
  if (!loaded.ok()) return loaded.status();
  if (cache) loaded->config.retention.cache = *std::move(cache);
  const auto model = std::make_shared<TrainingModel>(*std::move(loaded));
  if (blocks) {
    KeepFirstBlocks(*blocks, model.get());
  } else if (HasBaseline(folder)) {
    absl::StatusOr<std::unique_ptr<Student>> student = OpenBaseline(folder, *model);
    if (!student.ok()) return student.status();
    return PlainSampler(model, *std::move(student));
  }
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
    parts.reserve(of_request.size());
    for (const ChunkNoise& own : of_request) parts.push_back(own[step]);
    noise.push_back(at::cat(parts));
  }
  return noise;
}

// The requests have their budget in common.
absl::StatusOr<CacheRule> PlainSampler::RuleOfCache(const std::vector<ClipRequest>& requests) const {
  CacheRule rule = CacheRuleAt(model_->config.retention.cache, requests.front().budget,
                               model_->config.transformer.num_layers, SeedsOf(requests));
  if (!rule.percent.empty() && rule.score == CacheScore::kRouter &&
      !model_->transformer.weights.blocks.front().router) {
    return absl::InvalidArgumentError("retention.cache.score \"router\": the model has no routers of its own");
  }
  return rule;
}

absl::Status PlainSampler::Generate(const std::vector<ClipRequest>& requests, TokenRanking ranking, uint64_t seed,
                                    const ChunkVisitor& visit) const {
  const c10::NoGradGuard no_gradients;
  const ClipRequest& first = requests.front();
  const std::vector<RetentionTenths> known = budgets();
  if (std::find(known.begin(), known.end(), first.budget) == known.end()) {
    return absl::InvalidArgumentError(absl::StrCat("budget ", first.budget, " tenths: the model has no such table"));
  }
  if (ranking != TokenRanking::kRouter && student_->scores() == ScoreSource::kNone) {
    return absl::InvalidArgumentError(
        absl::StrCat("ranking \"", RankingName(ranking), "\": the model ranks no tokens"));
  }
  const absl::StatusOr<CacheRule> rule = RuleOfCache(requests);
  if (!rule.ok()) return rule.status();
  if (ranking == TokenRanking::kRouter && student_->scores() == ScoreSource::kRandom) ranking = TokenRanking::kRandom;
  const auto network = student_->Open({first.budget, at::kFloat, {}, ScorerOf(ranking, seed, requests), {}, memory_});
  RolloutState state(model_->config.transformer);
  state.cache_rule = *rule;
  std::vector<at::Tensor> memories;
  for (int64_t chunk = 0; chunk < first.chunks; ++chunk) {
    if (first.prompts.count(chunk) > 0) {
      std::vector<std::string> prompts;
      prompts.reserve(requests.size());
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
    visit(chunk, (shown.clamp(0, 1) * 255).round().div_(255));
  }
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> PlainSampler::Generate(const std::vector<ClipRequest>& requests, TokenRanking ranking,
                                                  uint64_t seed) const {
  std::vector<at::Tensor> kept;
  const absl::Status made =
      Generate(requests, ranking, seed, [&kept](int64_t, const at::Tensor& frames) { kept.push_back(frames); });
  if (!made.ok()) return made;
  return at::cat(kept, 1);
}

}  // namespace videodiffcr::training
