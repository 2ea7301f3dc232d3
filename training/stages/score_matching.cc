#include "training/stages/score_matching.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <utility>

#include "training/model/block_feed.h"
#include "training/model/network_copy.h"
#include "training/run/batch_piece.h"
#include "training/run/state_row.h"
#include "training/stages/whole_clip.h"

namespace videodiffcr::training {
namespace {

constexpr double kLowestSigma = 0.02, kHighestSigma = 0.98;

}  // namespace

at::Tensor MatchingTarget(const at::Tensor& clips, const at::Tensor& real_x0, const at::Tensor& fake_x0,
                          int64_t chunk_frames) {
  const at::Tensor scale =
      (clips - real_x0).abs().unflatten(1, {-1, chunk_frames}).mean({2, 3, 4, 5}) + 1e-4;  // [B, K]
  return clips - (fake_x0 - real_x0) / PerLatentFrame(scale, chunk_frames);
}

ScoreNetworks ScoresLike(const TrainingModel& model, const DiffusionTransformer& teacher) {
  return {CastTransformer(CloneTransformer(teacher), model.compute_type()), CloneTransformer(teacher)};
}

ScoreMatching::ScoreMatching(const TrainingModel& model, ScoreNetworks networks, at::Tensor negative_text,
                             const ScoreMatchingOptions& options, GradientExchange* exchange)
    : model_(model),
      options_(options),
      negative_text_(std::move(negative_text)),
      real_(std::move(networks.real)),
      fake_(std::move(networks.fake)),
      fake_rows_(TransformerWeightTable(fake_.config, &fake_.weights)),
      optimizer_(fake_rows_, {0.0, 0.999, 1e-8, 0.01}, exchange) {}

DiffusionTransformer ScoreMatching::FakeScore() const { return CastTransformer(fake_, model_.compute_type()); }

ScoreMatching::NoisyWindow ScoreMatching::AddWindowNoise(const at::Tensor& clips, StepRandom& random) const {
  const int64_t frames = model_.config.transformer.chunk_frames;
  NoisyWindow window;
  const int64_t chunks = clips.size(1) / frames;
  const at::Tensor drawn = random.Uniform({clips.size(0), options_.whole_clip ? 1 : chunks});
  const at::Tensor sigma = ShiftedSigma(drawn, model_.config.sampling.shift)
                               .clamp(kLowestSigma, kHighestSigma)
                               .expand({clips.size(0), chunks});
  window.level = PerLatentFrame(sigma, frames);
  window.noise = random.Normal(clips.sizes());
  window.input.clean = clips;
  window.input.noisy = clips * (1 - window.level) + window.noise * window.level;
  window.input.timesteps = sigma * 1000;
  return window;
}

at::Tensor ScoreMatching::Flow(const DiffusionTransformer& score, const NoisyWindow& window, const at::Tensor& hidden,
                               bool recompute) const {
  TeacherForcingInput input = window.input;
  const std::unique_ptr<BlockFeed> blocks = FeedBlocks(score);
  if (options_.whole_clip) {
    const at::Tensor text = hidden.narrow(0, 0, input.noisy.size(0));
    return WholeClipFlow(score, *blocks, input.noisy, input.timesteps.select(1, 0), text, recompute);
  }
  input.text = hidden;
  return TeacherForcingFlow(score, *blocks, input, recompute);
}

at::Tensor ScoreMatching::Target(const at::Tensor& clips, const at::Tensor& hidden, StepRandom& random) const {
  const c10::NoGradGuard no_gradients;
  const NoisyWindow window = AddWindowNoise(clips, random);
  const at::Tensor conditional = Flow(real_, window, hidden, false);
  const at::Tensor unconditional = Flow(real_, window, negative_text_.expand_as(hidden), false);
  const at::Tensor guided = conditional + (conditional - unconditional) * options_.guidance;
  const at::Tensor real = window.input.noisy - window.level * guided;
  const at::Tensor fake = window.input.noisy - window.level * Flow(FakeScore(), window, hidden, false);
  // What sees a clip as a whole is scaled as a whole.
  return MatchingTarget(clips, real, fake,
                        options_.whole_clip ? clips.size(1) : model_.config.transformer.chunk_frames);
}

at::Tensor ScoreMatching::Loss(const ScoredClips& scored, const at::Tensor& mask, StepRandom& random) const {
  const at::Tensor target = Target(scored.clips.detach(), scored.hidden, random);
  return 0.5 * MaskedMeanSquare(scored.clips - target, mask, model_.config.transformer.chunk_frames);
}

double ScoreMatching::LearnFakeScore(const ScoredClips& scored, const at::Tensor& mask, int64_t pieces,
                                     StepRandom& random) {
  const at::Tensor clips = scored.clips.detach();
  const NoisyWindow window = AddWindowNoise(clips, random);
  const at::Tensor flow = Flow(FakeScore(), window, scored.hidden, model_.recompute_blocks);
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
