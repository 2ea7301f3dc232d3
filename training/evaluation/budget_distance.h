// How far a model's budgets lead away from its dense network, for models that nobody can read attributes of: latents of
// the same prompts and the same noise, chunk by chunk. No judge of quality: two good videos may be far apart.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_BUDGET_DISTANCE_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_BUDGET_DISTANCE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/rollout/latent_rollout.h"

namespace videodiffcr::training {

// |latents - dense latents| / |dense latents| of a chunk, over clips.
struct ChunkDistance {
  double mean = 0, standard_error = 0;
};

struct BudgetDistance {
  std::string name;     // "0.7"; or kOtherNoise
  double executed = 1;  // share of the rows
  int64_t clips = 0;
  std::vector<ChunkDistance> chunks;
};

// The dense network on other noise: how far apart two videos of the same prompt are, which is the scale to read the
// others by.
inline constexpr char kOtherNoise[] = "other noise";

// Told of each finished video: its clip, its budget, its chunks [chunk frames, C, h, w].
using OnLatents =
    std::function<absl::Status(size_t clip, RetentionTenths budget, const std::vector<at::Tensor>& chunks)>;

// Of `budgets`, none of them dense, each with all clips; then kOtherNoise. The dense video of a clip comes before its
// others. InvalidArgument when the model lacks a budget.
absl::StatusOr<std::vector<BudgetDistance>> MeasureDistances(LatentRollout& rollout,
                                                             const std::vector<RolloutClip>& clips,
                                                             const std::vector<RetentionTenths>& budgets,
                                                             int64_t chunks, const OnLatents& on_latents);

// A line per budget for people, and one per budget and chunk.
std::string FormatDistances(const std::vector<BudgetDistance>& distances);
std::string DistancesCsv(const std::vector<BudgetDistance>& distances);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_BUDGET_DISTANCE_H_
