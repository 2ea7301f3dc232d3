// What VideoDiffCR is compared with as a stage: a student of training/students/baselines.h, distilled by the same
// iterations, prompts and noise, or a table that is measured.
#ifndef VIDEODIFFCR_TRAINING_STAGES_BASELINE_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_BASELINE_STAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "training/stages/distillation_stage.h"
#include "training/students/baselines.h"

namespace videodiffcr::training {

// The method that is no student: it trains nothing (sensitivity_stage.h).
inline constexpr char kSensitivity[] = "sensitivity";

struct BaselineStageOptions {
  StageOptions stage = {.steps = 340, .batch = 128, .learning_rate = 1.2e-4};
  DistillationOptions distillation = {};
  BaselineOptions student = {};
};

// InvalidArgument when there is no such method; else errors as DistillStudent()'s and MakeBaseline()'s.
absl::StatusOr<std::unique_ptr<TrainingStage>> MakeBaselineStage(const BaselineStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_BASELINE_STAGE_H_
