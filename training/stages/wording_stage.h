// Teaches the text encoder further words for what the model can already show; the denoiser stays as it is.
//
// People call a navy background blue, but the captions of tiny_recipe.md section 1 know background colours by six words
// of their own, and what the denoiser makes of others is mud. The encoder learns by imitating itself: for a caption
// with another word for the background's colour it must give the rows that it gave before for the caption with its own
// word, and for captions it knows, what it always gave. Mean squared error over all text rows; no pixels, no denoiser.
#ifndef VIDEODIFFCR_TRAINING_STAGES_WORDING_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_WORDING_STAGE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"
#include "training/scenes/random_stream.h"

namespace videodiffcr::training {

struct WordingStageOptions {
  StageOptions stage = {.steps = 1500, .batch = 64, .learning_rate = 1e-3};
  double known_share = 0.3;    // captions of a step that keep their own words
  double unknown_share = 0.5;  // of the others: some of what they say is said by unknown words
};

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeWordingStage(const WordingStageOptions& options);

// `caption` with another word for its background's colour, drawn from those that mean it; as it is when the caption
// names no background or the colour has no other word.
std::string RewordBackground(const std::string& caption, RandomStream& random);

// A caption as it is heard, and one of as many words that says what is meant by it.
struct Rewording {
  std::string heard, meant;
};

// `caption` with unknown words in place of some of what it says (a shape, an object's colour, "bounces" or another
// verb, the background's colour or texture), which mean the same thing whenever they stand there: a circle, red, the
// verb itself, or "bounces" where no direction follows, gray, plain. At least one, where the caption says any of these.
Rewording SayUnknown(const std::string& caption, RandomStream& random);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_WORDING_STAGE_H_
