#include "training/stages/score_matching.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include "training/model/network_copy.h"
#include "training/run/batch_piece.h"
#include "training/run/state_row.h"

namespace videodiffcr::training {
namespace {

constexpr double kLowestSigma = 0.02, kHighestSigma = 0.98;

// Flow of a score network over the window, in fp32; `hidden` [4 B, ...], chunk by chunk.
at::Tensor ScoreFlow(const DiffusionTransformer& score, TeacherForcingInput input, const at::Tensor& hidden,
                     bool recompute) {
  input.text = MakeTextKeys(score, hidden);
  return TeacherForcingFlow(score, input, recompute);
}

}  // namespace

at::Tensor MatchingTarget(const at::Tensor& clips, const at::Tensor& real_x0, const at::Tensor& fake_x0,
                          int64_t chunk_frames) {
  const at::Tensor scale =
      (clips - real_x0).abs().unflatten(1, {-1, chunk_frames}).mean({2, 3, 4, 5}) + 1e-4;  // [B, K]
  return clips - (fake_x0 - real_x0) / PerLatentFrame(scale, chunk_frames);
}

ScoreMatching::ScoreMatching(const TrainingModel& model, const DiffusionTransformer& teacher,
                             const ScoreMatchingOptions& options, GradientExchange* exchange)
    : model_(model),
      options_(options),
      real_(CastTransformer(CloneTransformer(teacher), model.compute_type())),
      fake_(CloneTransformer(teacher)),
      fake_rows_(TransformerWeightTable(fake_.config, &fake_.weights)),
      optimizer_(fake_rows_, {0.0, 0.999, 1e-8, 0.01}, exchange) {}

DiffusionTransformer ScoreMatching::FakeScore() const { return CastTransformer(fake_, model_.compute_type()); }

ScoreMatching::NoisyWindow ScoreMatching::AddWindowNoise(const at::Tensor& clips, StepRandom& random) const {
  const int64_t frames = model_.config.transformer.chunk_frames;
  NoisyWindow window;
  const at::Tensor sigma =
      ShiftedSigma(random.Uniform({clips.size(0), clips.size(1) / frames}), model_.config.sampling.shift)
          .clamp(kLowestSigma, kHighestSigma);
  window.level = PerLatentFrame(sigma, frames);
  window.noise = random.Normal(clips.sizes());
  window.input.clean = clips;
  window.input.noisy = clips * (1 - window.level) + window.noise * window.level;
  window.input.timesteps = sigma * 1000;
  return window;
}

absl::StatusOr<at::Tensor> ScoreMatching::Target(const at::Tensor& clips, const at::Tensor& hidden,
                                                 StepRandom& random) const {
  const c10::NoGradGuard no_gradients;
  const NoisyWindow window = AddWindowNoise(clips, random);
  const absl::StatusOr<at::Tensor> empty = EncodeCaptions(model_, {""});
  if (!empty.ok()) return empty.status();
  const at::Tensor conditional = ScoreFlow(real_, window.input, hidden, false);
  const at::Tensor unconditional = ScoreFlow(real_, window.input, empty->expand_as(hidden), false);
  const at::Tensor guided = conditional + (conditional - unconditional) * options_.guidance;
  const at::Tensor real = window.input.noisy - window.level * guided;
  const at::Tensor fake = window.input.noisy - window.level * ScoreFlow(FakeScore(), window.input, hidden, false);
  return MatchingTarget(clips, real, fake, model_.config.transformer.chunk_frames);
}

absl::StatusOr<at::Tensor> ScoreMatching::Loss(const ScoredClips& scored, const at::Tensor& mask,
                                               StepRandom& random) const {
  const absl::StatusOr<at::Tensor> target = Target(scored.clips.detach(), scored.hidden, random);
  if (!target.ok()) return target.status();
  return 0.5 * MaskedMeanSquare(scored.clips - *target, mask, model_.config.transformer.chunk_frames);
}

double ScoreMatching::LearnFakeScore(const ScoredClips& scored, const at::Tensor& mask, int64_t pieces,
                                     StepRandom& random) {
  const at::Tensor clips = scored.clips.detach();
  const NoisyWindow window = AddWindowNoise(clips, random);
  const at::Tensor flow = ScoreFlow(FakeScore(), window.input, scored.hidden, model_.recompute_blocks);
  return AddGradient(MaskedMeanSquare(flow - (window.noise - clips), mask, model_.config.transformer.chunk_frames),
                     pieces);
}

absl::Status ScoreMatching::UpdateFakeScore(int64_t update) {
  return optimizer_.Update(options_.critic_learning_rate, update).status();
}

std::vector<StateRow> ScoreMatching::State() {
  std::vector<StateRow> rows = WithPrefix("fake", optimizer_.State("adam"));
  const std::vector<WeightRow> weights = WithPrefix("fake", fake_rows_);
  rows.insert(rows.begin(), weights.begin(), weights.end());
  return rows;
}

}  // namespace videodiffcr::training
