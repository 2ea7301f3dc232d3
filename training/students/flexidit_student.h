// FlexiDiT (arXiv 2502.20126) on a video denoiser: the first steps of a chunk see larger patches, so fewer tokens,
// through an embedding and a head of their own; blocks are shared and trained for both (videodiffcr.md section 7.2,
// without its LoRA: here the blocks themselves are trained). A large token is where the middle of its cell is.
//
// The new embedding starts as the mean of the small patches' embeddings, the new head as theirs for every patch of the
// cell.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_FLEXIDIT_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_FLEXIDIT_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/students/baseline_student.h"

namespace videodiffcr::training {

// How many small patches a token of each step holds, 4 (two by two), 2 (side by side) or 1: never rising, and of mean
// share nearest to `target`; of equally near ones that which begins with the largest.
std::vector<int64_t> PatchesOfSteps(double target, size_t steps);

// Patches of another size for the same network.
struct FlexiPatch {
  int64_t rows = 1, columns = 1;  // of small patches in a large one
  LinearWeights embedding;        // [D, C, 1, height, width]
  at::Tensor mark;                // [D], added to tokens
  LinearWeights head;             // [height width C, D]
};

class FlexiditStudent final : public BaselineStudent {
 public:
  // FailedPrecondition when patches do not pair up.
  static absl::StatusOr<std::unique_ptr<FlexiditStudent>> Make(const BaselineOptions& options,
                                                               const std::string& folder, TrainingModel& model);

  std::vector<WeightRow> OwnRows() override;
  absl::Status Initialize(uint64_t seed) override;

 private:
  FlexiditStudent(const BaselineOptions& options, TrainingModel& model);

  std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const override;
  PassRows PrunedRows() const override;

  const std::vector<int64_t> patches_;  // of each step
  FlexiPatch half_, quarter_;           // two and four small patches
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_FLEXIDIT_STUDENT_H_
