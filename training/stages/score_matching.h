// The two scores that tell a student where its clips should go (tiny_recipe.md section 7, self_forcing_inference.md
// section 9): R, the frozen teacher, and Q, which follows the student's own clips. Both see the window's K chunks with
// teacher forcing, or the clip as a whole, and no video but the student's.
#ifndef VIDEODIFFCR_TRAINING_STAGES_SCORE_MATCHING_H_
#define VIDEODIFFCR_TRAINING_STAGES_SCORE_MATCHING_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/parallel/gradient_exchange.h"
#include "training/run/adam_w.h"
#include "training/run/random_tensor.h"
#include "training/stages/teacher_forcing.h"

namespace videodiffcr::training {

struct ScoreMatchingOptions {
  double critic_learning_rate = 3e-4;  // of Q
  double guidance = 1.5;               // of R: conditional + guidance (conditional - unconditional)
  bool whole_clip = false;             // R and Q attend to all of the clip, at one noise level (whole_clip.h)
};

// Where clips X [B, K F, C, h, w] should go, by what R and Q think they are: X - (x0 of Q - x0 of R) / mean |X - x0 of
// R|, the mean over each of the K chunks. The gradient of half the squared distance to it is the matching gradient.
at::Tensor MatchingTarget(const at::Tensor& clips, const at::Tensor& real_x0, const at::Tensor& fake_x0,
                          int64_t chunk_frames);

// Clips of one piece of the batch (training/run/batch_piece.h).
struct ScoredClips {
  at::Tensor clips;   // [B, K F, C, h, w]
  at::Tensor hidden;  // text of the window, chunk by chunk: [K B, text_len, text_dim]
};

// What R and Q start as. They are nobody else's.
struct ScoreNetworks {
  DiffusionTransformer real;  // in the type that passes are computed in; blocks may be in host memory (block_feed.h)
  DiffusionTransformer fake;  // in fp32
};
// Copies of one teacher for both.
ScoreNetworks ScoresLike(const TrainingModel& model, const DiffusionTransformer& teacher);

class ScoreMatching {
 public:
  // `model` outlives this; its device and sizes are used, not its transformer. `negative_text`: text
  // rows of R's unconditional passes, [1, text_len, text_dim]. `exchange`: the processes that train Q together.
  ScoreMatching(const TrainingModel& model, ScoreNetworks networks, at::Tensor negative_text,
                const ScoreMatchingOptions& options, GradientExchange* exchange = SingleProcess::Instance());
  ScoreMatching(const ScoreMatching&) = delete;
  ScoreMatching& operator=(const ScoreMatching&) = delete;

  // Half the mean squared distance of the clips to where they should go, over the chunks where `mask` [B, K] is 1.
  at::Tensor Loss(const ScoredClips& scored, const at::Tensor& mask, StepRandom& random) const;

  // As AdamW's: LearnFakeScore() is called once more before the update.
  void LastBackwardFollows() { optimizer_.LastBackwardFollows(); }
  // Adds the gradient of Q's flow-matching loss on one of the `pieces` that this process takes; returns its part of the
  // loss.
  double LearnFakeScore(const ScoredClips& scored, const at::Tensor& mask, int64_t pieces, StepRandom& random);
  // One update of Q from those; `update` counts from 0.
  absl::Status UpdateFakeScore(int64_t update);

  // Q and its optimiser.
  std::vector<StateRow> State();

 private:
  // The chunks of the window with their noise levels.
  struct NoisyWindow {
    TeacherForcingInput input;  // without text
    at::Tensor level;           // [B, K F, 1, 1, 1], sigma
    at::Tensor noise;           // [B, K F, C, h, w]
  };
  NoisyWindow AddWindowNoise(const at::Tensor& clips, StepRandom& random) const;
  // Flow of a score network over the window, in fp32.
  at::Tensor Flow(const DiffusionTransformer& score, const NoisyWindow& window, const at::Tensor& hidden,
                  bool recompute) const;
  at::Tensor Target(const at::Tensor& clips, const at::Tensor& hidden, StepRandom& random) const;
  DiffusionTransformer FakeScore() const;

  const TrainingModel& model_;
  const ScoreMatchingOptions options_;
  const at::Tensor negative_text_;
  const DiffusionTransformer real_;
  DiffusionTransformer fake_;
  const std::vector<WeightRow> fake_rows_;
  AdamW optimizer_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_SCORE_MATCHING_H_
