#include "training/stages/denoiser_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <utility>
#include <vector>

#include "training/data/clip_tensor.h"
#include "training/run/adam_w.h"
#include "training/run/checkpoint.h"
#include "training/run/learning_rate.h"
#include "training/run/random_tensor.h"
#include "training/run/weight_average.h"
#include "training/stages/initial_weights.h"
#include "training/stages/teacher_forcing.h"
#include "training/stages/training_model.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kPoolChunks = 8, kWindowChunks = 4;
constexpr double kEmptyCaption = 0.1, kContextNoise = 0.12, kAverageDecay = 0.999;

// Scenes and their latents by number, made when first asked for.
class LatentPool {
 public:
  LatentPool(const TrainingModel& model, uint64_t seed, int64_t size)
      : model_(model), seed_(seed), latents_(static_cast<size_t>(size)) {}

  Scene SceneAt(int64_t index) const {
    RandomStream random(seed_, DrawPurpose::kScene, static_cast<uint64_t>(index));
    return SampleScene({}, random);
  }

  const at::Tensor& LatentsAt(int64_t index) {  // [24, C, h, w]
    at::Tensor& latents = latents_[static_cast<size_t>(index)];
    if (!latents.defined()) {
      const c10::NoGradGuard no_gradients;
      const SceneRenderer renderer(SceneAt(index));
      const at::Tensor pixels = RenderClip(renderer, 0, FirstFrameOfChunk(kPoolChunks)).to(model_.device);
      latents = EncodePixelShuffleTaehv(model_.encoder, pixels.unsqueeze(0))[0];
    }
    return latents;
  }

 private:
  const TrainingModel& model_;
  const uint64_t seed_;
  std::vector<at::Tensor> latents_;
};

struct Batch {
  at::Tensor latents;                 // [B, 12, C, h, w]
  at::Tensor mask;                    // [B, 4]: chunks that count
  std::vector<std::string> captions;  // [B x 4]
};

class DenoiserStage final : public TrainingStage {
 public:
  DenoiserStage(const DenoiserStageOptions& options, TrainingModel model)
      : options_(options),
        model_(std::move(model)),
        transformer_rows_(TransformerWeightTable(model_.config.transformer, &model_.transformer.weights)),
        text_rows_(TextEncoderWeightTable(model_.config.text_encoder, &model_.text_encoder)),
        pool_(model_, options.stage.seed, options.pool) {
    if (!options_.continue_weights) {
      InitializeTransformer(transformer_rows_, model_.config.transformer.dim, options_.stage.seed, model_.device);
      InitializeTextEncoder(text_rows_, model_.config.text_encoder, options_.stage.seed + 1, model_.device);
    }
    optimizer_.emplace(Rows(), AdamWOptions{0.9, 0.98, 1e-8, 0.01});
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
    return settings;
  }
  std::vector<WeightRow> State() override {
    std::vector<WeightRow> rows = Rows();
    for (const std::vector<WeightRow>& more :
         {optimizer_->State("adam"), transformer_average_->State("average.transformer"),
          text_average_->State("average.text")}) {
      rows.insert(rows.end(), more.begin(), more.end());
    }
    return rows;
  }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    StepRandom random(options_.stage.seed, step, model_.device);
    const Batch batch = Draw(random);
    const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model_, batch.captions);
    if (!hidden.ok()) return hidden.status();
    const at::Tensor loss = FlowLoss(batch, *hidden, random);
    loss.backward();
    const double rate =
        LearningRateSchedule{options_.stage.learning_rate, options_.stage.learning_rate / 80, options_.warmup_steps}.At(
            step, total_steps());
    const absl::StatusOr<double> norm = optimizer_->Update(rate, step);
    if (!norm.ok()) return norm.status();
    transformer_average_->Update(step);
    text_average_->Update(step);
    return StepResult{loss.item<double>(), rate, *norm};
  }

  absl::Status Finish() override {
    const std::string& folder = options_.stage.output;
    if (absl::Status made = CompleteModelFolder(options_.stage.model, folder); !made.ok()) return made;
    std::map<std::string, std::string> metadata = settings();
    metadata["trained"] = "videodiffcr-train denoiser";
    if (absl::Status text = WriteWeights(folder + "/" + model_.config.text_encoder_file, text_average_->Averaged(),
                                         at::kHalf, metadata);
        !text.ok()) {
      return text;
    }
    return WriteWeights(folder + "/" + model_.config.transformer_file, transformer_average_->Averaged(), at::kHalf,
                        metadata);
  }

 private:
  std::vector<WeightRow> Rows() const {
    std::vector<WeightRow> rows = WithPrefix("transformer", transformer_rows_);
    for (WeightRow& row : WithPrefix("text", text_rows_)) rows.push_back(std::move(row));
    return rows;
  }

  Batch Draw(StepRandom& random) {
    RandomStream& scalars = random.scalars();
    const int64_t chunk_frames = model_.config.transformer.chunk_frames;
    Batch batch;
    std::vector<at::Tensor> latents;
    std::vector<float> mask;
    for (int64_t clip = 0; clip < options_.stage.batch; ++clip) {
      const int64_t index = scalars.Below(static_cast<int>(options_.pool));
      const int64_t m = scalars.Chance(0.65) ? 1 : 2 + scalars.Below(4);
      const std::vector<int64_t> chunks = {0, m, m + 1, m + 2};
      std::vector<at::Tensor> parts;
      for (const int64_t chunk : chunks) {
        parts.push_back(pool_.LatentsAt(index).narrow(0, chunk * chunk_frames, chunk_frames));
        mask.push_back(m == 1 || chunk == 0 || chunk == m + 2 ? 1.0f : 0.0f);
      }
      latents.push_back(at::cat(parts));
      const bool empty = scalars.Chance(kEmptyCaption);
      for (std::string& caption : CaptionsOfChunks(pool_.SceneAt(index), chunks, {}, scalars)) {
        batch.captions.push_back(empty ? "" : std::move(caption));
      }
    }
    batch.latents = at::stack(latents);
    batch.mask = at::tensor(mask).view({-1, kWindowChunks}).to(model_.device);
    return batch;
  }

  at::Tensor FlowLoss(const Batch& batch, const at::Tensor& hidden, StepRandom& random) const {
    const int64_t frames = model_.config.transformer.chunk_frames, clips = batch.latents.size(0);
    const at::Tensor sigma = ShiftedSigma(random.Uniform({clips, kWindowChunks}), model_.config.sampling.shift);
    const at::Tensor level = PerLatentFrame(sigma, frames);
    const at::Tensor noise = random.Normal(batch.latents.sizes());
    // Half of the clean copies carry up to 0.12 of noise and still say that they are at timestep 0.
    const at::Tensor dirty = (random.Uniform({clips, 1}) < 0.5).to(at::kFloat);
    const at::Tensor context_level =
        PerLatentFrame((random.Uniform({clips, 1}) * dirty * kContextNoise).expand({-1, kWindowChunks}), frames);
    TeacherForcingInput input;
    input.noisy = batch.latents * (1 - level) + noise * level;
    input.clean = batch.latents * (1 - context_level) + random.Normal(batch.latents.sizes()) * context_level;
    input.timesteps = sigma * 1000;
    const TextKeys keys = MakeTextKeys(model_.transformer, hidden);
    for (int64_t chunk = 0; chunk < kWindowChunks; ++chunk)
      input.text.push_back(KeysOfChunk(keys, kWindowChunks, chunk));
    const at::Tensor flow = TeacherForcingFlow(model_.transformer, input);
    return MaskedMeanSquare(flow - (noise - batch.latents), batch.mask, frames);
  }

  const DenoiserStageOptions options_;
  TrainingModel model_;
  const std::vector<WeightRow> transformer_rows_, text_rows_;
  LatentPool pool_;
  std::optional<AdamW> optimizer_;
  std::optional<WeightAverage> transformer_average_, text_average_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDenoiserStage(const DenoiserStageOptions& options) {
  const absl::StatusOr<at::Device> device = ParseDevice(options.stage.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.stage.model, *device);
  if (!model.ok()) return model.status();
  if (absl::Status relative = CheckWindowRelative(*model, options.stage.model); !relative.ok()) return relative;
  return std::make_unique<DenoiserStage>(options, *std::move(model));
}

}  // namespace videodiffcr::training
