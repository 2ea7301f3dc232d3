// Mixture-of-Depths (Raposo et al., 2024, arXiv 2404.02258) on a denoiser: some blocks keep the tokens that a linear
// router per token ranks highest, the same number in every step, and the router gates what such a block adds.
//
// Every second block is routed, as published, where that leaves it an eighth of the tokens or more, the published
// capacity; else two blocks of three are (target 0.5: a quarter each). The gate is 2 sigmoid(score): 1 at score 0,
// where sigmoid's 0.5 would halve what the blocks of a trained network add. All tokens of a chunk are there at once, so
// the predictor that language models need is not.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_MIXTURE_OF_DEPTHS_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_MIXTURE_OF_DEPTHS_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "training/students/baseline_student.h"

namespace videodiffcr::training {

// Rows that each of `layers` blocks keeps of `tokens`, so that their mean share is the target's, to a row.
std::vector<int64_t> MixtureOfDepthsRows(double target, size_t layers, int64_t tokens);

class MixtureOfDepthsStudent final : public BaselineStudent {
 public:
  MixtureOfDepthsStudent(const BaselineOptions& options, TrainingModel& model)
      : BaselineStudent(options, model), kept_(MixtureOfDepthsRows(options.target, layers(), tokens())) {}

  ScoreSource scores() const override { return ScoreSource::kOwn; }
  std::vector<WeightRow> OwnRows() override;
  absl::Status Initialize(uint64_t seed) override;

 private:
  std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const override;
  PassRows PrunedRows() const override;

  const std::vector<int64_t> kept_;
  at::Tensor router_;  // [layers, D], fp32: score = router LayerNorm(x)
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_MIXTURE_OF_DEPTHS_STUDENT_H_
