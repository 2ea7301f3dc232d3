// The paper's method as a stage: a VideoDiffCR student, distilled (training/students/videodiffcr_student.h).
#ifndef VIDEODIFFCR_TRAINING_STAGES_VIDEODIFFCR_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_VIDEODIFFCR_STAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "system/wrong_usage.h"
#include "training/stages/distillation_stage.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {

struct VideodiffcrStageOptions {
  StageOptions stage = {.steps = 340, .batch = 128, .learning_rate = 1.2e-4};
  DistillationOptions distillation = {};
  VideodiffcrOptions student = {};
};

// Errors as DistillStudent()'s and VideodiffcrStudent::Make()'s; WrongUsage when linear routers are to be fitted, which
// takes scenes, to the prompts of a file.
inline absl::StatusOr<std::unique_ptr<TrainingStage>> MakeVideodiffcrStage(const VideodiffcrStageOptions& options) {
  const VideodiffcrOptions& student = options.student;
  if (!options.distillation.prompts.file.empty() && student.router == RouterKind::kLinear && !student.fresh_routers) {
    return WrongUsageError("--router linear: with --prompts only drawn ones, by --fresh-routers yes");
  }
  return DistillStudent(
      options.stage, options.distillation, [&](TrainingModel& model) -> absl::StatusOr<std::unique_ptr<Student>> {
        return VideodiffcrStudent::Make(options.student, options.stage.model, options.stage.seed, model);
      });
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_VIDEODIFFCR_STAGE_H_
