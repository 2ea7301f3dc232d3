// Clips from the plain path of the model library, many at once and on any device. Up to rounding they are the videos
// that serving makes; besides, other rankings of tokens than the routers' can be tried at the same retention tables.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_PLAIN_SAMPLER_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_PLAIN_SAMPLER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "training/evaluation/clip_generator.h"
#include "training/evaluation/token_ranking.h"
#include "training/model/training_model.h"
#include "training/students/student.h"
#include "training/students/token_memory.h"

namespace videodiffcr::training {

// Called with the frames of each kept chunk, [requests, frames, 3, height, width] in [0, 1].
using ChunkVisitor = std::function<void(int64_t chunk, const at::Tensor& frames)>;

class PlainSampler {
 public:
  // The model of a folder, with its routers when it has some. Errors are those of the files. With `blocks`, only so
  // many blocks of the transformer are kept, and no budgets: a model that is known to be bad, to measure against.
  // `cache`: instead of the folder's retention of the cache.
  static absl::StatusOr<PlainSampler> Load(const std::string& folder, at::Device device,
                                           std::optional<int64_t> blocks = std::nullopt,
                                           std::optional<CacheRetention> cache = std::nullopt);

  // Any student of a model.
  PlainSampler(std::shared_ptr<const TrainingModel> model, std::shared_ptr<const Student> student)
      : model_(std::move(model)), student_(std::move(student)) {}

  const ModelConfig& config() const { return model_->config; }

  // Of the student, 1 first.
  std::vector<RetentionTenths> budgets() const { return student_->budgets(); }

  // What a chunk costs at a budget, when that is not what the retention table of the budget says; else empty.
  PassRows RowsOf(RetentionTenths budget) const { return student_->RowsOf(budget); }

  // What the rankings of the shipped network remember from now on.
  void set_memory(const TokenMemoryOptions& memory) { memory_ = memory; }

  // Shows `visit` the kept chunks as they are made, as 8 bits round them, on the device; nothing of a chunk is held
  // after the next one. The requests have budget, lengths and the chunks where prompts begin in common. `seed`: of
  // random rankings, which are each clip's own whatever stands beside it.
  absl::Status Generate(const std::vector<ClipRequest>& requests, TokenRanking ranking, uint64_t seed,
                        const ChunkVisitor& visit) const;
  // All kept frames, [requests, frames, 3, height, width].
  absl::StatusOr<at::Tensor> Generate(const std::vector<ClipRequest>& requests, TokenRanking ranking,
                                      uint64_t seed) const;

 private:
  ChunkNoise Noise(const std::vector<ClipRequest>& requests, int64_t chunk) const;
  absl::StatusOr<CacheRule> RuleOfCache(const std::vector<ClipRequest>& requests) const;

  std::shared_ptr<const TrainingModel> model_;
  std::shared_ptr<const Student> student_;
  TokenMemoryOptions memory_;
};

// Uniform scores of the tokens of some clips, fp32 [clips, tokens]: what a router's call number `call` is answered with
// when scores are random. A row depends on nothing but (seed, its clip's seed, call).
at::Tensor RandomScores(uint64_t seed, const std::vector<uint64_t>& clip_seeds, uint64_t call, int64_t tokens);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_PLAIN_SAMPLER_H_
