// Clips from the plain path of the model library, many at once and on any device. Up to rounding they are the videos
// that serving makes; besides, other rankings of tokens than the routers' can be tried at the same retention tables.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_PLAIN_SAMPLER_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_PLAIN_SAMPLER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "training/evaluation/clip_generator.h"
#include "training/model/training_model.h"
#include "training/students/student.h"

namespace videodiffcr::training {

// What ranks the tokens of a routed block.
enum class TokenRanking {
  kRouter,      // what is served
  kRandom,      // uniform draws
  kUpdateNorm,  // the oracle: |Block(x) - x| of the dense block, which costs all that routing saves
};

class PlainSampler {
 public:
  // The model of a folder, with its routers when it has some. Errors are those of the files.
  static absl::StatusOr<PlainSampler> Load(const std::string& folder, at::Device device);

  // Any student of a model.
  PlainSampler(std::shared_ptr<const TrainingModel> model, std::shared_ptr<const Student> student)
      : model_(std::move(model)), student_(std::move(student)) {}

  // Of the student, 1 first.
  std::vector<RetentionTenths> budgets() const { return student_->budgets(); }

  // Frames of the kept chunks, [requests, frames, 3, height, width] in [0, 1] as 8 bits round them, on the device. The
  // requests have budget, lengths and the chunks where prompts begin in common. `seed`: of random rankings.
  absl::StatusOr<at::Tensor> Generate(const std::vector<ClipRequest>& requests, TokenRanking ranking,
                                      uint64_t seed) const;

 private:
  ChunkNoise Noise(const std::vector<ClipRequest>& requests, int64_t chunk) const;

  std::shared_ptr<const TrainingModel> model_;
  std::shared_ptr<const Student> student_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_PLAIN_SAMPLER_H_
