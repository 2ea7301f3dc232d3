#include "training/stages/router_stage.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "training/model/dense_rollout.h"
#include "training/model/initial_weights.h"
#include "training/model/training_model.h"
#include "training/run/batch_piece.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/stages/router_target.h"
#include "training/stages/step_scenes.h"
#include "training/stages/trained_weights.h"
#include "training/students/dense_observation.h"

namespace videodiffcr::training {
namespace {

class RouterStage final : public TrainingStage {
 public:
  RouterStage(const RouterStageOptions& options, TrainingModel model)
      : options_(options),
        model_(std::move(model)),
        weights_(MakeRows(), {0.9, 0.99, 1e-8, 0.0}, {options.stage.learning_rate, 0, 0, LearningRateFall::kLinear},
                 options.stage) {}

  std::string name() const override { return "routers"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = options_.stage.Settings();
    settings["chunks"] = absl::StrCat(options_.min_chunks, " to ", options_.max_chunks);
    return settings;
  }
  std::vector<StateRow> State() override { return weights_.State(); }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    StepRandom random(options_.stage.seed, step, model_.device);
    const std::vector<std::string> captions = CaptionsOfStep(options_.stage, step, random.scalars());
    const int64_t chunks =
        options_.min_chunks + random.scalars().Below(static_cast<int>(options_.max_chunks - options_.min_chunks + 1));
    double loss = 0;
    for (const BatchPiece& piece : options_.stage.Pieces()) {
      const absl::StatusOr<at::Tensor> hidden = Encode(piece.Of(captions));
      if (!hidden.ok()) return hidden.status();
      StepRandom of_piece = random.ForPiece(piece);
      loss += LearnFromRollout(*hidden, chunks, of_piece);
    }
    return weights_.Update(loss, step);
  }

  absl::Status Finish() override {
    ModelConfig config = model_.config;
    config.retention.gate = RouterGate::kNone;  // these rank and nothing else
    config.retention.bypass_rank = 0;           // a bypass belongs to the routers that it was trained with
    return WriteStageResult(*this, options_.stage, {{config.retention.file, weights_.rows(), at::kFloat}},
                            "log norm of each dense block's update", config);
  }

 private:
  std::vector<WeightRow> MakeRows() {
    std::vector<WeightRow> rows =
        RouterWeightTable(model_.config.transformer, model_.config.retention.router_dim, &model_.transformer.weights);
    InitializeRouters(rows, options_.stage.seed, model_.device);
    return rows;
  }

  absl::StatusOr<at::Tensor> Encode(const std::vector<std::string>& captions) const {
    const c10::NoGradGuard no_gradients;
    return EncodeCaptions(model_, captions);
  }

  // One dense rollout; every pass adds its gradient. Returns the piece's part of the mean loss.
  double LearnFromRollout(const at::Tensor& hidden, int64_t chunks, StepRandom& random) {
    const double passes = static_cast<double>(chunks) * static_cast<double>(model_.schedule.sigmas.size()) *
                          static_cast<double>(options_.stage.accumulate);
    double loss = 0;
    VisitDensePasses(model_, hidden, chunks, random,
                     [&](const ResidualStream& stream) { loss += LearnFromPass(stream, passes); });
    return loss;
  }

  double LearnFromPass(const ResidualStream& stream, double passes) {
    const c10::AutoGradMode gradients(true);
    const TransformerConfig& config = model_.config.transformer;
    const size_t blocks = model_.transformer.weights.blocks.size();
    at::Tensor loss;
    for (size_t i = 0; i < blocks; ++i) {
      // What the router sees is the block's input after LayerNorm.
      const at::Tensor scores = RouterScores(*model_.transformer.weights.blocks[i].router,
                                             LayerNorm(stream[i], config.eps), config.chunk_frames);
      const at::Tensor error = (scores - StandardizedLogNorm(stream[i + 1] - stream[i])).square().mean();
      loss = loss.defined() ? loss + error : error;
    }
    loss = loss / (passes * static_cast<double>(blocks));
    loss.backward();
    return loss.item<double>();
  }

  const RouterStageOptions options_;
  TrainingModel model_;
  TrainedWeights weights_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeRouterStage(const RouterStageOptions& options) {
  if (absl::Status chunks = CheckChunks(options.min_chunks, options.max_chunks); !chunks.ok()) return chunks;
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.stage);
  if (!model.ok()) return model.status();
  const RetentionConfig& retention = model->config.retention;
  if (retention.router_dim < 1 || retention.file.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.stage.model, "/config.json: retention needs a file and a router_dim of at least 1"));
  }
  return std::make_unique<RouterStage>(options, *std::move(model));
}

}  // namespace videodiffcr::training
