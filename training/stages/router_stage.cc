#include "training/stages/router_stage.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
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

// What one dense block did to the tokens of a chunk.
struct BlockObservation {
  at::Tensor input;   // [B, N, D], after LayerNorm: what the router sees
  at::Tensor target;  // [B, N]
};

struct ObservedPass {
  PassOutput output;
  std::vector<BlockObservation> blocks;
};

// A pass, all blocks dense, with a look at what goes in and out of each.
ObservedPass RunObservedPass(const DiffusionTransformer& model, const at::Tensor& latents, float timestep,
                             const RolloutState& state) {
  ObservedPass observed;
  PassInput pass = MakePass(latents, timestep, {}, state);
  pass.runner = [&](size_t index, const BlockContext& context, const at::Tensor& x) {
    BlockOutput block = DenseBlock(model.weights.blocks[index], context, x);
    observed.blocks.push_back({LayerNorm(x, model.config.eps), StandardizedLogNorm(block.x - x)});
    return block;
  };
  observed.output = RunPass(model, pass);
  return observed;
}

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
    const TransformerConfig& config = model_.config.transformer;
    const StepSchedule& schedule = model_.schedule;
    RolloutState state(config);
    double loss = 0;
    const double passes = static_cast<double>(chunks) * static_cast<double>(schedule.sigmas.size()) *
                          static_cast<double>(options_.stage.accumulate);
    at::Tensor latents;
    {
      const c10::NoGradGuard no_gradients;
      state.text = MakeTextKeys(model_.transformer, hidden);
    }
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::vector<int64_t> shape = {hidden.size(0), config.chunk_frames, config.in_dim, config.latent_height,
                                          config.latent_width};
      at::Tensor x = random.Normal(shape);
      for (size_t j = 0; j < schedule.sigmas.size(); ++j) {
        const ObservedPass pass = Observe(x, schedule.timesteps[j], state);
        loss += LearnFromPass(pass.blocks, passes);
        latents = FlowToX0(pass.output.flow, x, schedule.sigmas[j]);
        if (j + 1 < schedule.sigmas.size()) x = AddNoise(latents, random.Normal(shape), schedule.sigmas[j + 1]);
      }
      if (chunk + 1 < chunks) state.cache.Append(Observe(latents, 0.0f, state).output.keys);
    }
    return loss;
  }

  ObservedPass Observe(const at::Tensor& latents, float timestep, const RolloutState& state) const {
    const c10::NoGradGuard no_gradients;
    return RunObservedPass(model_.transformer, latents, timestep, state);
  }

  double LearnFromPass(const std::vector<BlockObservation>& observations, double passes) {
    at::Tensor loss;
    for (size_t i = 0; i < observations.size(); ++i) {
      const at::Tensor scores = RouterScores(*model_.transformer.weights.blocks[i].router, observations[i].input,
                                             model_.config.transformer.chunk_frames);
      const at::Tensor error = (scores - observations[i].target).square().mean();
      loss = loss.defined() ? loss + error : error;
    }
    loss = loss / (passes * static_cast<double>(observations.size()));
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
