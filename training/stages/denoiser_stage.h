// The causal denoiser with its text encoder, by flow matching with teacher forcing (tiny_recipe.md section 6).
//
// A sample is four chunks 0, m, m+1, m+2 of a clip: m = 1 in 65 %, else 2 to 5, so that the gap behind the sink is
// trained; then only chunks 0 and m+2 count. Each chunk has its own noise level (shift 5) and the caption of its
// segment; 10 % of the captions are empty, for guidance; half of the clean copies carry a little noise.
#ifndef VIDEODIFFCR_TRAINING_STAGES_DENOISER_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_DENOISER_STAGE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

struct DenoiserStageOptions {
  StageOptions stage = {.steps = 6000, .batch = 192, .learning_rate = 1.6e-3};
  int64_t warmup_steps = 300;
  double last_learning_rate = 0;  // of the cosine's end; 0: an 80th of the highest
  int64_t pool = 37632;           // clips of 24 latent frames; each is made when first drawn, then kept (0.2 MB each)
  bool continue_weights = false;  // start from the model folder's instead of from drawn ones
  bool train_text = true;         // the text encoder too; false: it stays as it is, only with continue_weights
  double unknown_words = 0;       // captions in which unknown words stand for known ones (CaptionOptions)
};

// FailedPrecondition when the model uses absolute rotary positions, InvalidArgument for a text encoder that would be
// drawn and not trained.
absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDenoiserStage(const DenoiserStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_DENOISER_STAGE_H_
