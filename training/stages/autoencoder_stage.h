// The tiny model's autoencoder, trained from nothing on scenes (tiny_recipe.md section 3).
//
// Loss: w |d| + 4 w d^2 + w/4 |differences of spatial gradients|, with w = 1 + 7 where the scene shows more than bare
// background, from the first step on; plus 0.01 (mean^2 + (deviation - 1)^2) per latent channel. The decoder sees
// latents with noise of up to 0.2, since it must take the denoiser's errors. At 65 % of the steps the encoder is frozen
// and the channels' mean and deviation are folded into its last layer.
#ifndef VIDEODIFFCR_TRAINING_STAGES_AUTOENCODER_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_AUTOENCODER_STAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

struct AutoencoderStageOptions {
  StageOptions stage = {.steps = 6000, .batch = 32, .learning_rate = 2e-3};
  int64_t frames = 21;            // per clip, 1 + 4k
  double frozen_share = 0.35;     // of the steps, with the encoder frozen
  bool continue_weights = false;  // start from the model folder's instead of from drawn ones
};

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeAutoencoderStage(const AutoencoderStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_AUTOENCODER_STAGE_H_
