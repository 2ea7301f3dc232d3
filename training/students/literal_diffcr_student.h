// DiffCR as its public code has it (videodiffcr.md section 2.1 and 7.5, the preset `literal`), on a trained network: a
// router per token that sees the residual stream as it is, a gate of sigmoid(score) on the feed-forward residual, which
// halves it where scores begin, in dense blocks too, and rows rounded up from a ratio in single precision. The method
// `diffcr` is the same without these three.
//
// To 80 % of the updates the ratios are learned from 1 on, with everything else; then they are projected to the target
// and fixed, as VideoDiffCR's, so that what is compared executes the same.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_LITERAL_DIFFCR_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_LITERAL_DIFFCR_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "training/students/baseline_student.h"

namespace videodiffcr::training {

// ceil(ratio * tokens) with the ratio in single precision: 0.8 of 4680 tokens are 3745.
int64_t LiteralRows(int tenths, int64_t tokens);

class LiteralDiffcrStudent final : public BaselineStudent {
 public:
  LiteralDiffcrStudent(const BaselineOptions& options, TrainingModel& model) : BaselineStudent(options, model) {}

  ScoreSource scores() const override { return ScoreSource::kOwn; }
  std::vector<ParameterGroup> Parameters() override;
  std::vector<GroupRate> Rates(const UpdateMoment& moment) const override;
  at::Tensor Penalty(const UpdateMoment& moment, RetentionTenths budget) const override;
  void AfterUpdate(const UpdateMoment& moment, const GradientNorms& norms) override;
  std::vector<WeightRow> OwnRows() override;
  std::vector<WeightRow> StoredRows() override { return {RatioRow()}; }
  absl::Status Opened(const std::string& path) override;
  absl::Status Initialize(uint64_t seed) override;

 private:
  std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const override;
  PassRows PrunedRows() const override;

  WeightRow RatioRow();
  std::vector<int> ProjectedTenths() const;

  at::Tensor router_;  // [layers, D], fp32: score = router x
  at::Tensor ratios_;  // [layers], fp32
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_LITERAL_DIFFCR_STUDENT_H_
