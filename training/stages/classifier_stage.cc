#include "training/stages/classifier_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "training/classifier/attribute_classifier.h"
#include "training/data/clip_painter.h"
#include "training/model/initial_weights.h"
#include "training/model/training_model.h"
#include "training/run/batch_piece.h"
#include "training/run/mixed_precision.h"
#include "training/run/stage_result.h"
#include "training/stages/step_scenes.h"
#include "training/stages/trained_weights.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kLastStartFrame = 48;
constexpr int64_t kNotAsked = -100;  // the speed of what stands still

class ClassifierTraining final : public TrainingStage {
 public:
  ClassifierTraining(const ClassifierStageOptions& options, TrainingModel model)
      : options_(options),
        model_(std::move(model)),
        painter_(model_.device),
        rows_(MakeRows()),
        trained_(rows_, TrainedRows(), {0.9, 0.999, 1e-8, 1e-4},
                 {options.stage.learning_rate, options.stage.learning_rate / 100, /*warmup_steps=*/50}, options.stage) {
  }

  std::string name() const override { return "classifier"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override { return options_.stage.Settings(); }
  std::vector<StateRow> State() override { return trained_.State(); }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    const std::vector<BatchPiece> pieces = options_.stage.Pieces();
    // Every piece moves the running statistics from where they were before the step; their mean is kept.
    const std::vector<at::Tensor> statistics = Statistics();
    std::vector<at::Tensor> before, sums;
    for (const at::Tensor& row : statistics) {
      before.push_back(row.clone());
      sums.push_back(at::zeros_like(row));
    }
    double loss = 0;
    for (const BatchPiece& piece : pieces) {
      if (piece.index != pieces[0].index) at::_foreach_copy_(statistics, before);
      if (&piece == &pieces.back()) trained_.LastBackwardFollows();
      loss += AddGradient(PieceLoss(step, piece), options_.stage.accumulate);
      at::_foreach_add_(sums, statistics);
    }
    if (pieces[0].count > 1) {
      at::_foreach_copy_(statistics, sums);
      at::_foreach_div_(statistics, static_cast<double>(pieces.size()));
      if (absl::Status shared = options_.stage.exchange->AllReduceMean(statistics); !shared.ok()) return shared;
    }
    return trained_.Update(loss, step);
  }

  absl::Status Finish() override {
    return WriteStageResult(*this, options_.stage, {{"classifier.safetensors", rows_}});
  }

 private:
  at::Tensor PieceLoss(int64_t step, const BatchPiece& piece) const {
    SceneOptions scenes;
    scenes.two_objects = scenes.prompt_switch = 0;
    const std::vector<ClipToPaint> batch = ClipsOfStep(options_.stage, step, scenes, kLastStartFrame);
    std::vector<AttributeValues> truth;
    truth.reserve(batch.size());
    for (const ClipToPaint& clip : batch) truth.push_back(clip.scene.segments[0].attributes());
    const std::array<at::Tensor, kAttributeCount> scores = Read(MakeFrames(piece.Of(batch), piece));
    at::Tensor loss;
    for (int attribute = 0; attribute < kAttributeCount; ++attribute) {
      std::vector<int64_t> labels;
      for (const AttributeValues& values : truth) {
        const bool asked = attribute != kSpeed || values[kMotion] != kStill;
        labels.push_back(asked ? values[attribute] : kNotAsked);
      }
      const auto left_out = std::count(labels.begin(), labels.end(), kNotAsked);
      if (left_out == static_cast<int64_t>(labels.size())) continue;
      // The mean over the batch, of which a piece may ask more or less than another.
      const double asked = static_cast<double>(static_cast<int64_t>(labels.size()) - left_out) / piece.count;
      const at::Tensor of_piece = at::tensor(piece.Of(labels), at::kLong).to(model_.device);
      const at::Tensor part =
          at::cross_entropy_loss(scores[attribute].to(at::kFloat), of_piece, {}, at::Reduction::Sum, kNotAsked) / asked;
      loss = loss.defined() ? loss + part : part;
    }
    return loss;
  }

  std::vector<WeightRow> MakeRows() {
    std::vector<WeightRow> rows = ClassifierTable(&weights_);
    InitializeConvolutions(rows, options_.stage.seed, model_.device);
    return rows;
  }

  std::vector<WeightRow> TrainedRows() const {
    std::vector<WeightRow> trained;
    for (const WeightRow& row : rows_) {
      if (!IsClassifierStatistic(row)) trained.push_back(row);
    }
    return trained;
  }

  std::vector<at::Tensor> Statistics() const {
    std::vector<at::Tensor> statistics;
    for (const WeightRow& row : rows_) {
      if (IsClassifierStatistic(row)) statistics.push_back(*row.destination);
    }
    return statistics;
  }

  std::array<at::Tensor, kAttributeCount> Read(const at::Tensor& frames) const {
    const MixedPrecision mixed_precision(model_.device);
    return Classify(weights_, frames, BatchNormMode::kBatchStatistics);
  }

  // The frames that are read of each clip of a piece, [B, 9, 3, H, W]: the second half of the batch after the
  // autoencoder.
  at::Tensor MakeFrames(const std::vector<ClipToPaint>& painted, const BatchPiece& piece) const {
    const at::Tensor pixels = painter_.Paint(painted, kJudgedFrames).pixels;
    const int64_t clips = options_.stage.PieceClips();
    const int64_t plain = piece.CountBelow(options_.stage.batch - options_.stage.batch / 2);
    if (plain == clips) return ReadFrames(pixels);
    const c10::NoGradGuard no_gradients;
    const MixedPrecision mixed_precision(model_.device);
    std::vector<at::Tensor> memories;
    const at::Tensor latents = EncodePixelShuffleTaehv(model_.encoder, pixels.narrow(0, plain, clips - plain));
    const at::Tensor decoded = DecodePixelShuffleTaehv(model_.decoder, latents, &memories).narrow(1, 3, kJudgedFrames);
    return at::cat({ReadFrames(pixels.narrow(0, 0, plain)), ReadFrames(decoded.to(at::kFloat).clamp(0, 1))});
  }

  const ClassifierStageOptions options_;
  const TrainingModel model_;
  const ClipPainter painter_;
  ClassifierWeights weights_;
  const std::vector<WeightRow> rows_;
  TrainedWeights trained_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeClassifierStage(const ClassifierStageOptions& options) {
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.stage);
  if (!model.ok()) return model.status();
  return std::make_unique<ClassifierTraining>(options, *std::move(model));
}

}  // namespace videodiffcr::training
