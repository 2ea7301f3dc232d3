// A control without a ranking: retention tables as VideoDiffCR's before it learns, and which tokens a block keeps is
// drawn, anew for every clip, pass and block. The transformer is trained for it (videodiffcr.md section 7.5, extra row
// (iv)).
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_RANDOM_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_RANDOM_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "training/students/baseline_student.h"

namespace videodiffcr::training {

class RandomStudent final : public BaselineStudent {
 public:
  RandomStudent(const BaselineOptions& options, TrainingModel& model) : BaselineStudent(options, model) {}

  ScoreSource scores() const override { return ScoreSource::kRandom; }
  std::vector<WeightRow> StoredRows() override;
  // FailedPrecondition when the model has no deltas to make the table of.
  absl::Status Initialize(uint64_t seed) override;
  absl::Status Opened(const std::string& path) override;

 private:
  std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const override;
  PassRows PrunedRows() const override;

  at::Tensor tenths_;     // [layers, steps], fp32: the table, as a folder keeps it
  RetentionTable table_;  // with a dense context pass
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_RANDOM_STUDENT_H_
