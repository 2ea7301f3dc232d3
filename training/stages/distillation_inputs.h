// What a distillation works with, from its flags: model, prompts and scores, opened and checked against each other.
#ifndef VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_INPUTS_H_
#define VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_INPUTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/run/stage_options.h"
#include "training/stages/rollout_prompts.h"
#include "training/stages/score_matching.h"

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

// What is distilled, from what, on what.
struct DistillationInputs {
  std::unique_ptr<TrainingModel> model;
  std::unique_ptr<RolloutPrompts> prompts;
  at::Tensor negative_text;  // on the model's device
  ScoreNetworks scores;
  // What a run depends on beside the paths that its flags name: the weights that lie there. Setting -> fingerprint.
  std::map<std::string, std::string> weights;
};

// FailedPrecondition when a score's latents, text or, seeing chunks, chunks have other sizes than the model's; when the
// model is trained on scenes with absolute rotary positions or another window than scenes are made for; when it is
// trained on a file's prompts and its window is no whole number of chunks. InvalidArgument when scores are to see
// scenes as whole clips, or to be led away from a negative prompt with them.
absl::StatusOr<DistillationInputs> OpenDistillation(const StageOptions& stage, const DistillationOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_DISTILLATION_INPUTS_H_
