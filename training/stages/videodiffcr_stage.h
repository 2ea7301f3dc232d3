// The paper's method as a stage: a VideoDiffCR student, distilled (training/students/videodiffcr_student.h).
#ifndef VIDEODIFFCR_TRAINING_STAGES_VIDEODIFFCR_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_VIDEODIFFCR_STAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "training/stages/distillation_stage.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {

struct VideodiffcrStageOptions {
  StageOptions stage = {.steps = 340, .batch = 128, .learning_rate = 1.2e-4};
  DistillationOptions distillation = {};
  VideodiffcrOptions student = {};
};

// Errors as DistillStudent()'s and VideodiffcrStudent::Make()'s.
inline absl::StatusOr<std::unique_ptr<TrainingStage>> MakeVideodiffcrStage(const VideodiffcrStageOptions& options) {
  return DistillStudent(
      options.stage, options.distillation, [&](TrainingModel& model) -> absl::StatusOr<std::unique_ptr<Student>> {
        return VideodiffcrStudent::Make(options.student, options.stage.model, options.stage.seed, model);
      });
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_VIDEODIFFCR_STAGE_H_
