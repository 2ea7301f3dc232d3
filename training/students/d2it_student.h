// D2iT (arXiv 2504.09454) on a video denoiser whose autoencoder stays as it is: every frame is cut into regions of
// 2 x 2 tokens, and a region where little happens goes through all blocks as one token (videodiffcr.md section 7.3).
//
// Coarse are the regions of a chunk whose latents vary least: in the estimate that the step before left of this chunk,
// or, in the first step, in the last frame of the chunk before; in a video's first step a fixed checkerboard. A coarse
// region's tokens come back as its one token plus alpha times what each had of its own at first, alpha learned from 1
// on.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_D2IT_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_D2IT_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "training/students/baseline_student.h"

namespace videodiffcr::training {

// Coarse regions of a chunk that leave the share of rows nearest to `target`; a region has four tokens.
int64_t CoarseRegions(double target, int64_t tokens);

// Mean over channels of the variance within each region, [B, F, C, h, w] -> [B, regions of the chunk]. A region is
// `height` x `width` latents.
at::Tensor RegionVariance(const at::Tensor& latents, int64_t height, int64_t width);

class D2itStudent final : public BaselineStudent {
 public:
  // FailedPrecondition when patches do not pair up.
  static absl::StatusOr<std::unique_ptr<D2itStudent>> Make(const BaselineOptions& options, const std::string& folder,
                                                           TrainingModel& model);

  std::vector<WeightRow> OwnRows() override { return {{"detail", {1}, &detail_}}; }
  absl::Status Initialize(uint64_t seed) override;

 private:
  D2itStudent(const BaselineOptions& options, TrainingModel& model)
      : BaselineStudent(options, model), coarse_(CoarseRegions(options.target, tokens())) {}

  std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const override;
  PassRows PrunedRows() const override;

  const int64_t coarse_;
  at::Tensor detail_;  // alpha
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_D2IT_STUDENT_H_
