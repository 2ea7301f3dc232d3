// Few-step distillation of a student by distribution matching on its own rollouts (tiny_recipe.md section 7,
// self_forcing_inference.md section 9, videodiffcr.md section 5).
//
// One iteration: a rollout of the student with a random exit step, serving window and context passes; the student
// follows (x0 of Q - x0 of R), where the frozen real score R is guided; then two flow-matching updates of the fake
// score Q on the same clips. R and Q start as a teacher, or Q as a third network. No video is needed, only captions of
// scenes or, for models of any kind and size, the prompts of a file.
//
// The shipped network as a student may make some rollouts at one of the model's retention budgets below 1
// (`routed_share`), with its routers as they are, so that the same weights stand the loss of tokens (tiny_recipe.md
// section 8 (b), without training the routers).
#ifndef VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_STAGE_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"
#include "training/stages/distillation_inputs.h"
#include "training/students/student.h"

namespace videodiffcr::training {

using StudentMaker = std::function<absl::StatusOr<std::unique_ptr<Student>>(TrainingModel& model)>;

// Distils what `make` makes of the stage's model, which outlives the student. Errors are those of OpenDistillation().
absl::StatusOr<std::unique_ptr<TrainingStage>> DistillStudent(const StageOptions& stage,
                                                              const DistillationOptions& options,
                                                              const StudentMaker& make);

struct DistillationStageOptions {
  StageOptions stage = {.steps = 300, .batch = 128, .learning_rate = 1.5e-4};
  DistillationOptions distillation = {};
  double routed_share = 0;  // of the rollouts
};

// FailedPrecondition, too, when routed rollouts are wanted of a model that has no routers.
absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDistillationStage(const DistillationStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_STAGE_H_
