#include "training/stages/denoiser_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"
#include "training/model/block_feed.h"
#include "training/model/initial_weights.h"
#include "training/model/network_copy.h"
#include "training/model/recomputed_block.h"
#include "training/model/training_model.h"
#include "training/run/batch_piece.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/run/state_row.h"
#include "training/run/step_ahead.h"
#include "training/run/weight_average.h"
#include "training/stages/latent_pool.h"
#include "training/stages/step_scenes.h"
#include "training/stages/teacher_forcing.h"
#include "training/stages/trained_weights.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kWindowChunks = 4;
constexpr double kEmptyCaption = 0.1, kContextNoise = 0.12, kAverageDecay = 0.999;

// A clip's four chunks.
struct Sample {
  std::array<PoolChunk, kWindowChunks> places;
  std::array<float, kWindowChunks> mask;  // 1: its loss counts
  std::vector<std::string> captions;
};

// A piece of a step's batch, as far as the weights that are trained have no part in it.
struct Piece {
  StepRandom random;              // goes on to draw noise
  std::vector<PoolChunk> places;  // [B x 4]
  at::Tensor mask;                // [B, 4]: chunks that count
  at::Tensor counted;             // how many these are in the mean piece
  CaptionTokens captions;         // of chunk 0 of all clips, then of chunk 1, ...
  at::Tensor hidden;  // of the captions, [4 B, text_len, text_dim]; undefined when the text encoder is trained
};

class DenoiserStage final : public TrainingStage {
 public:
  DenoiserStage(const DenoiserStageOptions& options, TrainingModel model)
      : options_(options),
        model_(std::move(model)),
        transformer_rows_(TransformerWeightTable(model_.config.transformer, &model_.transformer.weights)),
        text_rows_(TextEncoderWeightTable(model_.config.text_encoder, &model_.text_encoder)),
        fixed_text_(TextEncoderOnCpu(model_)),
        pool_(model_, options.stage.seed, options.pool),
        pieces_([this](int64_t step) { return Draw(step); }) {
    if (!options_.continue_weights) {
      InitializeTransformer(transformer_rows_, model_.config.transformer.dim, options_.stage.seed, model_.device);
      InitializeTextEncoder(text_rows_, model_.config.text_encoder, options_.stage.seed + 1, model_.device);
    }
    weights_.emplace(Rows(), AdamWOptions{0.9, 0.98, 1e-8, 0.01},
                     LearningRateSchedule{
                         options.stage.learning_rate,
                         options.last_learning_rate > 0 ? options.last_learning_rate : options.stage.learning_rate / 80,
                         options.warmup_steps},
                     options.stage);
    transformer_average_.emplace(transformer_rows_, kAverageDecay);
    text_average_.emplace(text_rows_, kAverageDecay);
  }

  std::string name() const override { return "denoiser"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = options_.stage.Settings();
    settings["pool"] = absl::StrCat(options_.pool);
    settings["warm-up"] = absl::StrCat(options_.warmup_steps);
    settings["start"] = options_.continue_weights ? "model" : "drawn";
    settings["text"] = options_.train_text ? "trained" : "as it is";
    if (options_.last_learning_rate > 0) settings["last learning rate"] = absl::StrCat(options_.last_learning_rate);
    if (options_.unknown_words > 0) settings["unknown words"] = absl::StrCat(options_.unknown_words);
    return settings;
  }
  std::vector<StateRow> State() override {
    std::vector<StateRow> rows = weights_->State();
    for (WeightRow& row : transformer_average_->State("average.transformer")) rows.push_back(std::move(row));
    if (!options_.train_text) return rows;
    for (WeightRow& row : text_average_->State("average.text")) rows.push_back(std::move(row));
    return rows;
  }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    absl::StatusOr<std::vector<Piece>> pieces = pieces_.Take(step);
    if (!pieces.ok()) return pieces.status();
    if (absl::Status made = pool_.MakeTogether(*options_.stage.exchange); !made.ok()) return made;
    double loss = 0;
    for (Piece& piece : *pieces) {
      if (&piece == &pieces->back()) weights_->LastBackwardFollows();
      loss += AddGradient(FlowLoss(piece), options_.stage.accumulate);
    }
    absl::StatusOr<StepResult> result = weights_->Update(loss, step);
    if (!result.ok()) return result.status();
    transformer_average_->Update(step);
    if (options_.train_text) text_average_->Update(step);
    return result;
  }

  absl::Status Finish() override {
    std::vector<ResultFile> files;
    if (options_.train_text) files.push_back({model_.config.text_encoder_file, text_average_->Averaged()});
    files.push_back({model_.config.transformer_file, transformer_average_->Averaged()});
    return WriteStageResult(*this, options_.stage, files);
  }

 private:
  std::vector<WeightRow> Rows() const {
    std::vector<WeightRow> rows = WithPrefix("transformer", transformer_rows_);
    if (!options_.train_text) return rows;
    for (WeightRow& row : WithPrefix("text", text_rows_)) rows.push_back(std::move(row));
    return rows;
  }

  absl::StatusOr<std::vector<Piece>> Draw(int64_t step) const {
    StepRandom random(options_.stage.seed, step, model_.device);
    std::vector<Sample> samples;
    double counted = 0;
    for (int64_t clip = 0; clip < options_.stage.batch; ++clip) {
      samples.push_back(DrawSample(random.scalars()));
      for (const float counts : samples.back().mask) counted += counts;
    }
    std::vector<Piece> pieces;
    for (const BatchPiece& piece : options_.stage.Pieces()) {
      absl::StatusOr<Piece> made = MakePiece(piece.Of(samples), random.ForPiece(piece));
      if (!made.ok()) return made.status();
      made->counted = at::scalar_tensor(counted / static_cast<double>(piece.count), at::kFloat);
      pieces.push_back(*std::move(made));
    }
    return pieces;
  }

  Sample DrawSample(RandomStream& scalars) const {
    const int64_t index = scalars.Below(static_cast<int>(options_.pool));
    const int64_t m = scalars.Chance(0.65) ? 1 : 2 + scalars.Below(4);
    const std::vector<int64_t> chunks = {0, m, m + 1, m + 2};
    Sample sample;
    for (size_t i = 0; i < chunks.size(); ++i) {
      sample.places[i] = {index, chunks[i]};
      sample.mask[i] = m == 1 || chunks[i] == 0 || chunks[i] == m + 2 ? 1.0f : 0.0f;
    }
    const bool empty = scalars.Chance(kEmptyCaption);
    sample.captions =
        CaptionsOfChunks(pool_.SceneOfClip(index), chunks, {.replaced_caption = options_.unknown_words}, scalars);
    if (empty) sample.captions.assign(kWindowChunks, "");
    return sample;
  }

  absl::StatusOr<Piece> MakePiece(const std::vector<Sample>& samples, const StepRandom& random) const {
    Piece piece = {random, {}, {}, {}, {}, {}};
    std::vector<float> mask;
    std::vector<std::vector<std::string>> captions;
    for (const Sample& sample : samples) {
      piece.places.insert(piece.places.end(), sample.places.begin(), sample.places.end());
      mask.insert(mask.end(), sample.mask.begin(), sample.mask.end());
      captions.push_back(sample.captions);
    }
    absl::StatusOr<CaptionTokens> tokens = TokenizeCaptions(model_, ChunkByChunk(captions));
    if (!tokens.ok()) return tokens.status();
    piece.captions = *std::move(tokens);
    piece.mask = at::tensor(mask).view({-1, kWindowChunks});
    if (options_.train_text) return piece;
    const c10::NoGradGuard no_gradients;
    piece.hidden = EncodeCaptions(model_, fixed_text_, piece.captions);
    return piece;
  }

  at::Tensor FlowLoss(Piece& piece) {
    StepRandom& random = piece.random;
    const at::Tensor hidden = options_.train_text ? EncodeCaptions(model_, model_.text_encoder, piece.captions)
                                                  : piece.hidden.to(model_.device);
    const at::Tensor latents = pool_.Latents(piece.places).unflatten(0, {-1, kWindowChunks}).flatten(1, 2);
    const DiffusionTransformer transformer = CastTransformer(model_.transformer, model_.compute_type());
    const int64_t frames = model_.config.transformer.chunk_frames, clips = latents.size(0);
    const at::Tensor sigma = ShiftedSigma(random.Uniform({clips, kWindowChunks}), model_.config.sampling.shift);
    const at::Tensor level = PerLatentFrame(sigma, frames);
    const at::Tensor noise = random.Normal(latents.sizes());
    // Half of the clean copies carry up to 0.12 of noise and still say that they are at timestep 0.
    const at::Tensor dirty = (random.Uniform({clips, 1}) < 0.5).to(at::kFloat);
    const at::Tensor context_level =
        PerLatentFrame((random.Uniform({clips, 1}) * dirty * kContextNoise).expand({-1, kWindowChunks}), frames);
    TeacherForcingInput input;
    input.noisy = latents * (1 - level) + noise * level;
    input.clean = latents * (1 - context_level) + random.Normal(latents.sizes()) * context_level;
    input.timesteps = sigma * 1000;
    input.text = hidden;
    const at::Tensor flow = TeacherForcingFlow(transformer, *FeedBlocks(transformer), input, model_.recompute_blocks);
    return MaskedMeanSquare(flow - (noise - latents), piece.mask.to(model_.device), frames,
                            piece.counted.to(model_.device));
  }

  const DenoiserStageOptions options_;
  TrainingModel model_;
  const std::vector<WeightRow> transformer_rows_, text_rows_;
  const TextEncoderWeights fixed_text_;  // for captions when the text encoder is not trained
  LatentPool pool_;
  std::optional<TrainedWeights> weights_;
  std::optional<WeightAverage> transformer_average_, text_average_;
  StepAhead<absl::StatusOr<std::vector<Piece>>> pieces_;  // last: its thread uses the others
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDenoiserStage(const DenoiserStageOptions& options) {
  if (!options.train_text && !options.continue_weights) {
    return WrongUsageError("--train-text no: only with --continue-weights yes");
  }
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.stage);
  if (!model.ok()) return model.status();
  if (absl::Status relative = CheckWindowRelative(model->config.transformer, options.stage.model); !relative.ok())
    return relative;
  ChooseRecompute(options.stage, kWindowChunks, &*model);
  return std::make_unique<DenoiserStage>(options, *std::move(model));
}

}  // namespace videodiffcr::training
