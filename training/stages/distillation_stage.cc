#include "training/stages/distillation_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <utility>
#include <vector>

#include "model/plain/rollout/few_step_sampler.h"
#include "training/model/network_copy.h"
#include "training/model/training_model.h"
#include "training/run/adam_w.h"
#include "training/run/batch_piece.h"
#include "training/run/checkpoint.h"
#include "training/run/learning_rate.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/run/step_ahead.h"
#include "training/run/weight_average.h"
#include "training/stages/step_scenes.h"
#include "training/stages/teacher_forcing.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kWindowChunks = 4;
constexpr double kPromptSwitch = 0.2, kAverageDecay = 0.98, kLowestSigma = 0.02, kHighestSigma = 0.98;

// One piece of an iteration's batch.
struct Piece {
  StepRandom random;         // goes on to draw noise
  at::Tensor hidden;         // of the captions of chunk 0 of all clips, then of chunk 1, ...
  at::Tensor window_hidden;  // the same of the window's chunks, on the device
  at::Tensor clips;          // the generator's, once made: [B, 12, C, h, w], without gradients
};

// What one iteration is about.
struct Plan {
  int64_t chunks = 0;                     // of the rollout
  size_t exit_step = 0;                   // whose x0 is the chunk
  std::vector<int64_t> window;            // the four chunks that are judged: the first, and the last three
  const RetentionTable* table = nullptr;  // of the rollout's passes; null: all dense
  std::vector<Piece> pieces;
};

// The four chunks of the window with their noise levels.
struct NoisyWindow {
  TeacherForcingInput input;  // without text
  at::Tensor level;           // [B, 12, 1, 1, 1], sigma
  at::Tensor noise;           // [B, 12, C, h, w]
};

class DistillationStage final : public TrainingStage {
 public:
  // `teacher`: what R and Q start as; it may share its tensors with the model.
  DistillationStage(const DistillationStageOptions& options, TrainingModel model, const DiffusionTransformer& teacher)
      : options_(options),
        model_(std::move(model)),
        real_(CastTransformer(CloneTransformer(teacher), model_.compute_type())),
        fake_(CloneTransformer(teacher)),
        generator_rows_(TransformerWeightTable(model_.config.transformer, &model_.transformer.weights)),
        fake_rows_(TransformerWeightTable(model_.config.transformer, &fake_.weights)),
        generator_optimizer_(generator_rows_, {0.0, 0.999, 1e-8, 0.01}, options.stage.exchange),
        fake_optimizer_(fake_rows_, {0.0, 0.999, 1e-8, 0.01}, options.stage.exchange),
        average_(generator_rows_, kAverageDecay),
        text_(TextEncoderOnCpu(model_)),
        plans_([this](int64_t step) { return MakePlan(step); }) {}

  std::string name() const override { return "distill"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = options_.stage.Settings();
    settings["critic learning rate"] = absl::StrCat(options_.critic_learning_rate);
    settings["guidance"] = absl::StrCat(options_.guidance);
    settings["critic-only steps"] = absl::StrCat(options_.critic_only_steps);
    settings["warm-up"] = absl::StrCat(options_.warmup_steps);
    settings["teacher"] = options_.teacher.empty() ? "the model" : options_.teacher;
    settings["routed share"] = absl::StrCat(options_.routed_share);
    if (options_.unknown_words > 0) settings["unknown words"] = absl::StrCat(options_.unknown_words);
    return settings;
  }
  std::vector<WeightRow> State() override {
    std::vector<WeightRow> rows = WithPrefix("generator", generator_rows_);
    for (const std::vector<WeightRow>& more :
         {WithPrefix("fake", fake_rows_), WithPrefix("generator", generator_optimizer_.State("adam")),
          WithPrefix("fake", fake_optimizer_.State("adam")), average_.State("average")}) {
      rows.insert(rows.end(), more.begin(), more.end());
    }
    return rows;
  }

  // The loss reported is the fake score's: the generator's says little about quality.
  absl::StatusOr<StepResult> Step(int64_t step) override {
    absl::StatusOr<Plan> plan = plans_.Take(step);
    if (!plan.ok()) return plan.status();
    const at::Tensor mask = WindowMask(*plan);
    StepResult result;
    result.learning_rate = LearningRateSchedule{options_.stage.learning_rate, 0.2 * options_.stage.learning_rate,
                                                options_.warmup_steps, LearningRateFall::kLinear}
                               .At(step, total_steps());
    const bool critic_only = step < options_.critic_only_steps;
    for (Piece& piece : plan->pieces) {
      if (absl::Status made = MakeClips(*plan, critic_only, mask, piece); !made.ok()) return made;
    }
    if (!critic_only) {
      const absl::StatusOr<double> norm =
          generator_optimizer_.Update(result.learning_rate, step - options_.critic_only_steps);
      if (!norm.ok()) return norm.status();
      result.gradient_norm = *norm;
      average_.Update(step - options_.critic_only_steps);
    }
    for (int64_t update = 0; update < 2; ++update) {
      const absl::StatusOr<double> loss = UpdateFakeScore(mask, 2 * step + update, plan->pieces);
      if (!loss.ok()) return loss.status();
      result.loss += 0.5 * *loss;
    }
    const absl::StatusOr<double> mean = options_.stage.exchange->Mean(result.loss);
    if (!mean.ok()) return mean.status();
    result.loss = *mean;
    return result;
  }

  absl::Status Finish() override {
    return WriteStageResult(*this, options_.stage, {{model_.config.transformer_file, average_.Averaged()}});
  }

 private:
  absl::StatusOr<Plan> MakePlan(int64_t step) const {
    Plan plan;
    StepRandom of_step(options_.stage.seed, step, model_.device);
    RandomStream& random = of_step.scalars();
    const double length = random.Uniform();
    plan.chunks = length < 0.7 ? 4 : length < 0.85 ? 5 : 6;
    plan.exit_step = static_cast<size_t>(random.Below(static_cast<int>(model_.schedule.sigmas.size())));
    if (random.Chance(options_.routed_share)) {
      const std::vector<RetentionTable>& tables = model_.config.retention.tables;
      plan.table = &tables[static_cast<size_t>(random.Below(static_cast<int>(tables.size())))];
    }
    plan.window = {0, plan.chunks - 3, plan.chunks - 2, plan.chunks - 1};
    std::vector<int64_t> all;
    for (int64_t chunk = 0; chunk < plan.chunks; ++chunk) all.push_back(chunk);
    SceneOptions scenes;
    scenes.prompt_switch = kPromptSwitch;
    std::vector<std::vector<std::string>> captions;
    for (const Scene& scene : ScenesOfStep(options_.stage, step, scenes)) {
      captions.push_back(CaptionsOfChunks(scene, all, {.replaced_caption = options_.unknown_words}, random));
    }
    const c10::NoGradGuard no_gradients;
    for (const BatchPiece& piece : options_.stage.Pieces()) {
      absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model_, text_, ChunkByChunk(piece.Of(captions)));
      if (!hidden.ok()) return hidden.status();
      plan.pieces.push_back({of_step.ForPiece(piece), *std::move(hidden), {}, {}});
    }
    return plan;
  }

  // The generator's clips of a piece; unless the iteration is about the critic alone, with their part of its gradient.
  absl::Status MakeClips(const Plan& plan, bool critic_only, const at::Tensor& mask, Piece& piece) {
    const at::Tensor hidden = piece.hidden.to(model_.device);
    const at::Tensor clips = Rollout(plan, hidden, critic_only, piece.random);
    piece.window_hidden = WindowRows(plan, hidden);
    piece.clips = clips.detach();
    if (critic_only) return absl::OkStatus();
    const absl::StatusOr<at::Tensor> target = MatchDistributions(piece.clips, piece.window_hidden, piece.random);
    if (!target.ok()) return target.status();
    const int64_t frames = model_.config.transformer.chunk_frames;
    const double share = 0.5 / static_cast<double>(options_.stage.accumulate);
    (share * MaskedMeanSquare(clips - *target, mask, frames)).backward();
    return absl::OkStatus();
  }

  // Chunks of the window whose output counts: with a gap behind the sink, only its two ends. The same for every piece.
  at::Tensor WindowMask(const Plan& plan) const {
    at::Tensor mask = at::ones({options_.stage.PieceClips(), kWindowChunks}).to(model_.device);
    if (plan.chunks > kWindowChunks) mask.narrow(1, 1, 2).zero_();
    return mask;
  }

  // Captions of the window's chunks: [chunks B, ...] -> [4 B, ...].
  at::Tensor WindowRows(const Plan& plan, const at::Tensor& hidden) const {
    std::vector<at::Tensor> rows;
    for (const int64_t chunk : plan.window) {
      rows.push_back(hidden.narrow(0, chunk * options_.stage.PieceClips(), options_.stage.PieceClips()));
    }
    return at::cat(rows);
  }

  // The generator's clips, the window's chunks only: [B, 12, C, h, w] in fp32, with gradients through the exit step of
  // the chunks that count.
  at::Tensor Rollout(const Plan& plan, const at::Tensor& hidden, bool without_gradients, StepRandom& random) const {
    const c10::AutoGradMode gradients(!without_gradients);
    const DiffusionTransformer generator = CastTransformer(model_.transformer, model_.compute_type());
    const TextKeys keys = MakeTextKeys(generator, hidden);
    RolloutState state(model_.config.transformer);
    std::vector<at::Tensor> window;
    for (int64_t chunk = 0; chunk < plan.chunks; ++chunk) {
      const bool counts = chunk == 0 || chunk == plan.chunks - 1 || plan.chunks == kWindowChunks;
      const bool in_window = chunk == 0 || chunk >= plan.chunks - 3;
      state.text = KeysOfChunk(keys, options_.stage.PieceClips(), chunk);
      const at::Tensor latents = RolloutChunk(generator, plan, counts && !without_gradients, state, random);
      if (in_window) window.push_back(latents);
      if (chunk + 1 == plan.chunks) break;
      const c10::NoGradGuard no_gradients;
      state.cache.Append(RunPass(generator, MakePass(latents, 0.0f, state)).keys);
    }
    return at::cat(window, 1);
  }

  at::Tensor RolloutChunk(const DiffusionTransformer& generator, const Plan& plan, bool with_gradients,
                          const RolloutState& state, StepRandom& random) const {
    const TransformerConfig& config = model_.config.transformer;
    const StepSchedule& schedule = model_.schedule;
    const std::vector<int64_t> shape = {options_.stage.PieceClips(), config.chunk_frames, config.in_dim,
                                        config.latent_height, config.latent_width};
    at::Tensor x = random.Normal(shape);
    for (size_t step = 0;; ++step) {
      const c10::AutoGradMode gradients(with_gradients && step == plan.exit_step);
      PassInput pass = MakePass(x, schedule.timesteps[step], state);
      if (plan.table != nullptr) {
        for (const std::vector<int>& layer : plan.table->tenths) pass.tenths.push_back(layer[step]);
      }
      const at::Tensor x0 = FlowToX0(RunPass(generator, pass).flow.to(at::kFloat), x, schedule.sigmas[step]);
      if (step == plan.exit_step) return x0;
      x = AddNoise(x0, random.Normal(shape), schedule.sigmas[step + 1]);
    }
  }

  // `latents` in fp32, at the place where `state` is. What came before carries no gradients: context passes have none.
  PassInput MakePass(const at::Tensor& latents, float timestep, const RolloutState& state) const {
    PassInput pass;
    pass.latents = latents.detach().to(model_.compute_type());
    pass.timesteps = at::full({latents.size(0), latents.size(1)}, timestep, latents.options().dtype(at::kDouble));
    pass.first_frame = state.cache.finished_frames();
    pass.text = &state.text;
    pass.past = state.cache.past();
    pass.routing = {
        model_.config.retention.gate, model_.config.retention.kv_mode, model_.config.retention.frame_floor, {}};
    return pass;
  }

  NoisyWindow AddWindowNoise(const at::Tensor& clips, StepRandom& random) const {
    NoisyWindow window;
    const at::Tensor sigma = ShiftedSigma(random.Uniform({clips.size(0), kWindowChunks}), model_.config.sampling.shift)
                                 .clamp(kLowestSigma, kHighestSigma);
    window.level = PerLatentFrame(sigma, model_.config.transformer.chunk_frames);
    window.noise = random.Normal(clips.sizes());
    window.input.clean = clips;
    window.input.noisy = clips * (1 - window.level) + window.noise * window.level;
    window.input.timesteps = sigma * 1000;
    return window;
  }

  // Flow of a score network over the window, in fp32; `hidden` [4 B, ...], chunk by chunk.
  at::Tensor ScoreFlow(const DiffusionTransformer& score, const NoisyWindow& window, const at::Tensor& hidden) const {
    TeacherForcingInput input = window.input;
    input.text = MakeTextKeys(score, hidden);
    return TeacherForcingFlow(score, input);
  }

  DiffusionTransformer FakeScore() const { return CastTransformer(fake_, model_.compute_type()); }

  // Where the generator's clips should go: X - (x0 of Q - x0 of R) / mean |X - x0 of R|, the mean over each chunk.
  absl::StatusOr<at::Tensor> MatchDistributions(const at::Tensor& clips, const at::Tensor& hidden, StepRandom& random) {
    const c10::NoGradGuard no_gradients;
    const NoisyWindow window = AddWindowNoise(clips, random);
    const absl::StatusOr<at::Tensor> empty = EncodeCaptions(model_, {""});
    if (!empty.ok()) return empty.status();
    const at::Tensor conditional = ScoreFlow(real_, window, hidden);
    const at::Tensor unconditional = ScoreFlow(real_, window, empty->expand_as(hidden));
    const at::Tensor guided = conditional + (conditional - unconditional) * options_.guidance;
    const at::Tensor real = window.input.noisy - window.level * guided;
    const at::Tensor fake = window.input.noisy - window.level * ScoreFlow(FakeScore(), window, hidden);
    const int64_t frames = model_.config.transformer.chunk_frames;
    const at::Tensor scale = (clips - real).abs().unflatten(1, {-1, frames}).mean({2, 3, 4, 5}) + 1e-4;  // [B, 4]
    return clips - (fake - real) / PerLatentFrame(scale, frames);
  }

  // The loss of this process's pieces.
  absl::StatusOr<double> UpdateFakeScore(const at::Tensor& mask, int64_t update, std::vector<Piece>& pieces) {
    double loss = 0;
    for (Piece& piece : pieces) {
      const NoisyWindow window = AddWindowNoise(piece.clips, piece.random);
      const at::Tensor flow = ScoreFlow(FakeScore(), window, piece.window_hidden);
      loss += AddGradient(
          MaskedMeanSquare(flow - (window.noise - piece.clips), mask, model_.config.transformer.chunk_frames),
          options_.stage.accumulate);
    }
    const absl::StatusOr<double> norm = fake_optimizer_.Update(options_.critic_learning_rate, update);
    if (!norm.ok()) return norm.status();
    return loss;
  }

  const DistillationStageOptions options_;
  TrainingModel model_;              // its transformer is the generator
  const DiffusionTransformer real_;  // in the type that passes are computed in
  DiffusionTransformer fake_;
  const std::vector<WeightRow> generator_rows_, fake_rows_;
  AdamW generator_optimizer_, fake_optimizer_;
  WeightAverage average_;
  const TextEncoderWeights text_;
  StepAhead<absl::StatusOr<Plan>> plans_;  // last: its thread uses the others
};

// The transformer of options.teacher, or the model's own.
absl::StatusOr<DiffusionTransformer> LoadTeacher(const DistillationStageOptions& options, const TrainingModel& model) {
  if (options.teacher.empty()) return model.transformer;
  absl::StatusOr<TrainingModel> teacher = LoadTrainingModel(options.teacher, model.device);
  if (!teacher.ok()) return teacher.status();
  if (absl::Status relative = CheckWindowRelative(*teacher, options.teacher); !relative.ok()) return relative;
  const TransformerConfig &ours = model.config.transformer, &theirs = teacher->config.transformer;
  if (ours.dim == theirs.dim && ours.num_layers == theirs.num_layers && ours.in_dim == theirs.in_dim &&
      ours.text_dim == theirs.text_dim && ours.text_len == theirs.text_len &&
      ours.chunk_frames == theirs.chunk_frames && ours.tokens_per_frame() == theirs.tokens_per_frame()) {
    return std::move(teacher->transformer);
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "--teacher ", options.teacher, ": its transformer has other sizes than ", options.stage.model, "'s"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDistillationStage(const DistillationStageOptions& options) {
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.stage);
  if (!model.ok()) return model.status();
  if (absl::Status relative = CheckWindowRelative(*model, options.stage.model); !relative.ok()) return relative;
  const absl::StatusOr<DiffusionTransformer> teacher = LoadTeacher(options, *model);
  if (!teacher.ok()) return teacher.status();
  if (options.routed_share > 0) {
    if (absl::Status routers = LoadRouters(options.stage.model, &*model); !routers.ok()) return routers;
  }
  return std::make_unique<DistillationStage>(options, *std::move(model), *teacher);
}

}  // namespace videodiffcr::training
