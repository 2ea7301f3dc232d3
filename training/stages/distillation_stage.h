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

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"
#include "training/stages/rollout_prompts.h"
#include "training/stages/score_matching.h"
#include "training/students/student.h"

namespace videodiffcr::training {

// What all students have in common.
struct DistillationOptions {
  ScoreMatchingOptions scores;
  int64_t critic_only_steps = 20;  // at first
  int64_t warmup_steps = 30;       // of the student's learning rate
  std::string teacher;             // model folder whose transformer R and Q start as; empty: as the student's
  bool teacher_on_host = false;    // R's blocks stay in host memory and are copied as they are used (block_feed.h)
  std::string fake_score;          // model folder whose transformer Q starts as; empty: as R
  ScenePromptOptions scenes;       // without a file of prompts
  FilePromptOptions prompts;       // no file: scenes
  std::string negative_prompt;     // with a file: what guidance leads away from; empty: no words
  std::string run_folder;          // with a file: gets its text rows
};

using StudentMaker = std::function<absl::StatusOr<std::unique_ptr<Student>>(TrainingModel& model)>;

// Distils what `make` makes of the stage's model, which outlives the student. FailedPrecondition when a score's
// latents, text or, seeing chunks, chunks have other sizes than the model's; when the model is trained on scenes with
// absolute rotary positions or another window than scenes are made for; when it is trained on a file's prompts and its
// window is no whole number of chunks. InvalidArgument when scores are to see scenes as whole clips, or to be led away
// from a negative prompt with them.
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
