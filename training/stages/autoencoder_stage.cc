#include "training/stages/autoencoder_stage.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/plain/decoder/pixel_shuffle_taehv.h"
#include "system/wrong_usage.h"
#include "training/data/clip_painter.h"
#include "training/data/clip_tensor.h"
#include "training/model/initial_weights.h"
#include "training/model/training_model.h"
#include "training/run/batch_piece.h"
#include "training/run/mixed_precision.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/stages/step_scenes.h"
#include "training/stages/trained_weights.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kLastStartFrame = 60;
constexpr double kMostNoise = 0.2, kRegularizer = 0.01;

struct ClipBatch {
  at::Tensor pixels;  // [B, T, 3, H, W]
  at::Tensor weight;  // [B, T, 1, H, W]: 8 on objects, 1 elsewhere
};

// |differences between neighbouring pixels|, both ways, as one mean weighted by `weight`.
at::Tensor GradientError(const at::Tensor& error, const at::Tensor& weight) {
  const at::Tensor across = error.diff(1, -1), down = error.diff(1, -2);
  return (across.abs() * weight.narrow(-1, 1, across.size(-1))).mean() +
         (down.abs() * weight.narrow(-2, 1, down.size(-2))).mean();
}

at::Tensor ReconstructionLoss(const at::Tensor& decoded, const ClipBatch& batch) {
  const at::Tensor error = decoded - batch.pixels;
  return (batch.weight * (error.abs() + 4 * error.square())).mean() + 0.25 * GradientError(error, batch.weight);
}

// [B, F, C, h, w] -> mean and deviation per channel, [C] each.
std::pair<at::Tensor, at::Tensor> ChannelStatistics(const at::Tensor& latents) {
  const at::Tensor flat = latents.transpose(1, 2).transpose(0, 1).flatten(1);
  return {flat.mean(1), flat.std(1)};
}

class AutoencoderStage final : public TrainingStage {
 public:
  AutoencoderStage(const AutoencoderStageOptions& options, TrainingModel model)
      : options_(options),
        model_(std::move(model)),
        painter_(model_.device),
        weights_(MakeRows(), {0.9, 0.99, 1e-8, 1e-4},
                 {options.stage.learning_rate, options.stage.learning_rate / 100, /*warmup_steps=*/50}, options.stage),
        freeze_step_(static_cast<int64_t>(static_cast<double>(options.stage.steps) * (1 - options.frozen_share))) {}

  std::string name() const override { return "autoencoder"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = options_.stage.Settings();
    settings["frames"] = absl::StrCat(options_.frames);
    settings["frozen share"] = absl::StrCat(options_.frozen_share);
    settings["start"] = options_.continue_weights ? "model" : "drawn";
    return settings;
  }
  std::vector<StateRow> State() override { return weights_.State(); }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    // An encoder that this run does not train keeps its latents as they are: a denoiser was made for them.
    if (step == freeze_step_ && step > 0) {
      if (absl::Status folded = FoldStatistics(step); !folded.ok()) return folded;
    }
    const StepRandom random(options_.stage.seed, step, model_.device);
    double loss = 0;
    const std::vector<BatchPiece> pieces = options_.stage.Pieces();
    for (const BatchPiece& piece : pieces) {
      if (&piece == &pieces.back()) weights_.LastBackwardFollows();
      loss += AddGradient(PieceLoss(step, piece, random.ForPiece(piece)), options_.stage.accumulate);
    }
    return weights_.Update(loss, step);
  }

  absl::Status Finish() override {
    return WriteStageResult(*this, options_.stage, {{model_.config.decoder.file, weights_.rows()}});
  }

 private:
  at::Tensor PieceLoss(int64_t step, const BatchPiece& piece, StepRandom random) const {
    const ClipBatch batch = Render(step, piece);
    const at::Tensor latents = Encode(batch.pixels, step < freeze_step_);
    const at::Tensor amount = random.Uniform({latents.size(0), 1, 1, 1, 1}) * kMostNoise;
    at::Tensor loss = ReconstructionLoss(Decode(latents + amount * random.Normal(latents.sizes())), batch);
    if (step < freeze_step_) {
      const auto [mean, deviation] = ChannelStatistics(latents);
      loss = loss + kRegularizer * (mean.square() + (deviation - 1).square()).mean();
    }
    return loss;
  }

  std::vector<WeightRow> MakeRows() {
    // Widths and depths are those of the model folder's file.
    PixelShuffleTaehvSizes sizes;
    const auto file = SafetensorsReader::Open(options_.stage.model + "/" + model_.config.decoder.file);
    if (file.ok()) sizes = ReadPixelShuffleTaehvSizes(*file);
    std::vector<WeightRow> rows = PixelShuffleDecoderTable(sizes, &model_.decoder);
    for (WeightRow& row : PixelShuffleEncoderTable(sizes, &model_.encoder)) rows.push_back(std::move(row));
    if (!options_.continue_weights) InitializeConvolutions(rows, options_.stage.seed, model_.device);
    if (model_.device.is_cpu()) return rows;
    for (const WeightRow& row : rows) {  // the order in memory that a GPU's convolutions are fastest in
      if (row.shape.size() == 4) *row.destination = row.destination->contiguous(at::MemoryFormat::ChannelsLast);
    }
    return rows;
  }

  ClipBatch Render(int64_t step, const BatchPiece& piece) const {
    const PaintedClips painted =
        painter_.Paint(piece.Of(ClipsOfStep(options_.stage, step, {}, kLastStartFrame)), options_.frames);
    const at::Tensor mask = ObjectMask(painted.pixels.flatten(0, 1), painted.backgrounds.flatten(0, 1));
    return {painted.pixels, 1 + 7 * mask.unflatten(0, {-1, options_.frames})};
  }

  at::Tensor Encode(const at::Tensor& pixels, bool trained) const {
    const c10::AutoGradMode gradients(trained);
    const MixedPrecision mixed_precision(model_.device);
    return EncodePixelShuffleTaehv(model_.encoder, pixels).to(at::kFloat);
  }

  at::Tensor Decode(const at::Tensor& latents) const {
    const MixedPrecision mixed_precision(model_.device);
    std::vector<at::Tensor> memories;
    const at::Tensor frames = DecodePixelShuffleTaehv(model_.decoder, latents, &memories);
    return frames.narrow(1, 3, options_.frames).to(at::kFloat);
  }

  // From here on latents have mean 0 and deviation 1 in every channel, so that no one else has to normalise them.
  // Every process looks at the whole batch; the word of rank 0 counts, in case another's differs in the last bit.
  absl::Status FoldStatistics(int64_t step) {
    const c10::NoGradGuard no_gradients;
    const auto [mean, deviation] = ChannelStatistics(Encode(Render(step, {}).pixels, /*trained=*/false));
    if (absl::Status shared = options_.stage.exchange->Broadcast({mean, deviation}); !shared.ok()) return shared;
    ConvWeights& last = model_.encoder.conv_out;
    last.weight.div_(deviation.view({-1, 1, 1, 1}));
    last.bias.sub_(mean).div_(deviation);
    return absl::OkStatus();
  }

  const AutoencoderStageOptions options_;
  TrainingModel model_;
  const ClipPainter painter_;
  TrainedWeights weights_;
  const int64_t freeze_step_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeAutoencoderStage(const AutoencoderStageOptions& options) {
  if (options.frames < 5 || options.frames % 4 != 1) {
    return WrongUsageError(absl::StrCat("--frames ", options.frames, ": must be 1 + 4k, at least 5"));
  }
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.stage);
  if (!model.ok()) return model.status();
  return std::make_unique<AutoencoderStage>(options, *std::move(model));
}

}  // namespace videodiffcr::training
