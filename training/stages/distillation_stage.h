// Few-step distillation by distribution matching on the model's own rollouts (tiny_recipe.md section 7,
// self_forcing_inference.md section 9).
//
// Three copies of the denoiser: the generator G, the frozen real score R, the fake score Q. One iteration: a rollout of
// G with a random exit step, serving window and clean context passes; G follows (x0 of Q - x0 of R), where R is guided;
// then two flow-matching updates of Q on the same clips. R and Q see the window with teacher forcing. No video is
// needed, only captions.
//
// With `routed_share` some rollouts run at one of the model's retention budgets below 1, with its routers as they are,
// so that the same weights stand the loss of tokens (tiny_recipe.md section 8 (b), without training the routers).
#ifndef VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

struct DistillationStageOptions {
  StageOptions stage = {.steps = 300, .batch = 128, .learning_rate = 1.5e-4};
  double critic_learning_rate = 3e-4;
  double guidance = 1.5;           // of R: conditional + guidance (conditional - unconditional)
  int64_t critic_only_steps = 20;  // at first
  int64_t warmup_steps = 30;
  std::string teacher;       // model folder whose transformer R and Q start as; empty: as G
  double routed_share = 0;   // of the rollouts
  double unknown_words = 0;  // captions in which unknown words stand for known ones (CaptionOptions)
};

// FailedPrecondition when the model uses absolute rotary positions or another window than training does, when the
// teacher's transformer has other sizes, and when routed rollouts are wanted of a model that has no routers.
absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDistillationStage(const DistillationStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_STAGE_H_
