// The measure of quality, trained on rendered clips and, from the start, on as many that went through the autoencoder:
// it must read what a decoder shows (tiny_recipe.md section 4). Loss: cross entropy, summed over the attributes.
#ifndef VIDEODIFFCR_TRAINING_STAGES_CLASSIFIER_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_CLASSIFIER_STAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

struct ClassifierStageOptions {
  StageOptions stage = {.steps = 3000, .batch = 192, .learning_rate = 1.5e-3};
};

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeClassifierStage(const ClassifierStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_CLASSIFIER_STAGE_H_
