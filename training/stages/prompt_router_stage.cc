#include "training/stages/prompt_router_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "model/plain/transformer/transformer_weights.h"
#include "model/rollout/latent_rollout.h"
#include "system/steady_time.h"
#include "system/wrong_usage.h"
#include "training/figures/held_out_figure.h"
#include "training/model/initial_weights.h"
#include "training/prompts/prompt_set.h"
#include "training/prompts/text_cache.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/stages/held_out_history.h"
#include "training/stages/new_retention.h"
#include "training/stages/prompt_clips.h"
#include "training/stages/router_target.h"
#include "training/stages/trained_weights.h"
#include "training/stages/update_energy.h"
#include "training/students/dense_observation.h"

namespace videodiffcr::training {
namespace {

class PromptRouterStage final : public TrainingStage {
 public:
  PromptRouterStage(const PromptRouterOptions& options, PromptSet prompts, PromptClips draws,
                    std::unique_ptr<LatentRollout> rollout, std::vector<RetentionTable> tables)
      : options_(options),
        prompts_(std::move(prompts)),
        draws_(std::move(draws)),
        rollout_(std::move(rollout)),
        tables_(std::move(tables)),
        retention_(NewRetention(rollout_->config())),
        weights_(MakeRows(), {0.9, 0.99, 1e-8, 0.0}, {options.stage.learning_rate, 0, 0, LearningRateFall::kLinear},
                 options.stage),
        history_(options.stage.steps, options.prompts.measure_every, blocks(), rollout_->device()) {
    const auto steps = static_cast<int64_t>(retention_.step_delta_tenths.size());
    energies_ = at::zeros({blocks(), steps, kDenseTenths}, at::TensorOptions(at::kFloat).device(rollout_->device()));
  }

  std::string name() const override { return "routers"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = options_.stage.Settings();
    settings["chunks"] = absl::StrCat(options_.min_chunks, " to ", options_.max_chunks);
    settings["prompts"] =
        absl::StrCat(prompts_.prompts().size(), " with hash ", HashName(absl::StrJoin(prompts_.prompts(), "\n")));
    settings["held out"] = absl::StrCat(draws_.HeldOut().size(), ", measured every ", options_.prompts.measure_every);
    return settings;
  }
  std::vector<StateRow> State() override {
    std::vector<StateRow> state = weights_.State();
    state.push_back({"energies", energies_.sizes().vec(), &energies_});
    state.push_back(history_.Row());
    return state;
  }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    if (step % options_.prompts.measure_every == 0) {
      if (absl::Status done = Measure(step / options_.prompts.measure_every); !done.ok()) return done;
    }
    const absl::Time began = SteadyNow();
    const std::vector<PromptClip> clips = draws_.OfStep(step);
    StepRandom random(options_.stage.seed, step, at::kCPU);
    const int64_t chunks =
        options_.min_chunks + random.scalars().Below(static_cast<int>(options_.max_chunks - options_.min_chunks + 1));
    at::Tensor energies = at::zeros_like(energies_);
    double loss = 0;
    for (const BatchPiece& piece : options_.stage.Pieces()) {
      const std::vector<PromptClip> own = piece.Of(clips);
      const double share = 1.0 / static_cast<double>(own.size() * static_cast<size_t>(options_.stage.accumulate));
      const absl::Status rolled = RollOut(own, chunks, [&](const ObservedPass& pass) {
        const double weight = share * static_cast<double>(pass.stream.size(1)) / static_cast<double>(chunks * steps());
        loss += LearnFromPass(pass.stream, weight);
        energies.select(1, pass.step).add_(DroppedEnergy(pass.stream), weight * static_cast<double>(steps()));
        return absl::OkStatus();
      });
      if (!rolled.ok()) return rolled;
    }
    if (absl::Status mean = options_.stage.exchange->AllReduceMean({energies}); !mean.ok()) return mean;
    absl::StatusOr<StepResult> result = weights_.Update(loss, step);
    if (result.ok()) energies_.add_(energies);
    if (++steps_here_ > 1) {
      timed_chunks_ += chunks * options_.stage.batch;
      timed_ += SteadyNow() - began;
    }
    return result;
  }

  absl::Status Finish() override {
    if (absl::Status measured = Measure(history_.last()); !measured.ok()) return measured;
    if (timed_chunks_ > 0) {
      std::cerr << absl::StrFormat("routers: %d chunks, %.3f s a chunk trained\n", timed_chunks_,
                                   absl::ToDoubleSeconds(timed_) / static_cast<double>(timed_chunks_));
    }
    ModelConfig config = rollout_->config();
    config.retention = retention_;
    config.retention.tables =
        tables_.empty() ? TablesOfLosses(LossesOf(energies_, {retention_.step_delta_tenths, retention_.floor_tenths}),
                                         options_.budgets.targets, options_.budgets.accounting, retention_)
                        : tables_;
    if (absl::Status valid = config.Validate(); !valid.ok()) return valid;
    return WriteStageResult(*this, options_.stage, {{retention_.file, weights_.rows(), at::kFloat}},
                            "log norm of each dense block's update, on rollouts of prompts", config);
  }

 private:
  int64_t blocks() const { return rollout_->config().transformer.num_layers; }
  int64_t steps() const { return static_cast<int64_t>(rollout_->config().sampling.denoise_steps.size()); }

  std::vector<WeightRow> MakeRows() {
    routers_.blocks.resize(static_cast<size_t>(blocks()));
    std::vector<WeightRow> rows = RouterWeightTable(rollout_->config().transformer, retention_.router_dim, &routers_);
    InitializeRouters(rows, options_.stage.seed, rollout_->device());
    return rows;
  }

  // Dense rollouts of all these clips, as many side by side as are worth it.
  absl::Status RollOut(const std::vector<PromptClip>& clips, int64_t chunks, const OnPass& on_pass) {
    const auto most = static_cast<size_t>(rollout_->most_clips());
    for (size_t begin = 0; begin < clips.size(); begin += most) {
      std::vector<RolloutClip> group;
      for (size_t i = begin; i < std::min(clips.size(), begin + most); ++i) {
        absl::StatusOr<at::Tensor> text = prompts_.Text(clips[i].prompt);
        if (!text.ok()) return text.status();
        group.push_back({*std::move(text), clips[i].seed});
      }
      if (absl::Status begun = rollout_->Begin(group); !begun.ok()) return begun;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        if (absl::Status made = rollout_->NextChunk(kDenseTenths, on_pass).status(); !made.ok()) return made;
      }
    }
    return absl::OkStatus();
  }

  at::Tensor Scores(const at::Tensor& stream, int64_t block) const {
    const TransformerConfig& config = rollout_->config().transformer;
    const at::Tensor input = LayerNorm(stream[block], config.eps);
    return RouterScores(*routers_.blocks[static_cast<size_t>(block)].router, input, config.chunk_frames);
  }

  // Block by block, so that no more than one block's scores wait for their gradient.
  double LearnFromPass(const at::Tensor& stream, double weight) {
    at::Tensor sum;
    for (int64_t block = 0; block < blocks(); ++block) {
      const at::Tensor target = StandardizedLogNorm(stream[block + 1] - stream[block]);
      const at::Tensor loss =
          (Scores(stream, block) - target).square().mean() * (weight / static_cast<double>(blocks()));
      loss.backward();
      sum = sum.defined() ? sum + loss.detach() : loss.detach();
    }
    return sum.item<double>();
  }

  // By rank 0 alone: the others wait for it at the end of their step.
  absl::Status Measure(int64_t place) {
    if (options_.stage.exchange->rank() != 0) return absl::OkStatus();
    const c10::NoGradGuard no_gradients;
    const int64_t kept = KeptRows(kMeasuredTenths, rollout_->config().transformer.tokens_per_chunk());
    std::vector<RouterQuality> sums(static_cast<size_t>(blocks()));
    double clips = 0;
    const absl::Status rolled = RollOut(draws_.HeldOut(), options_.max_chunks, [&](const ObservedPass& pass) {
      const auto weight = static_cast<double>(pass.stream.size(1));
      clips += weight;
      for (int64_t block = 0; block < blocks(); ++block) {
        const at::Tensor target = StandardizedLogNorm(pass.stream[block + 1] - pass.stream[block]);
        const RouterQuality quality = JudgeScores(Scores(pass.stream, block), target, kept);
        sums[static_cast<size_t>(block)].variance_explained += weight * quality.variance_explained;
        sums[static_cast<size_t>(block)].overlap += weight * quality.overlap;
      }
      return absl::OkStatus();
    });
    if (!rolled.ok()) return rolled;
    for (RouterQuality& quality : sums) quality.variance_explained /= clips, quality.overlap /= clips;
    history_.Set(place, sums);
    return WriteHeldOut(options_.run_folder, rollout_->config().name + ": routers on held-out prompts",
                        history_.Measures(), 0.1 * kMeasuredTenths);
  }

  const PromptRouterOptions options_;
  const PromptSet prompts_;
  const PromptClips draws_;
  const std::unique_ptr<LatentRollout> rollout_;
  const std::vector<RetentionTable> tables_;  // as given; empty: by the energies
  const RetentionConfig retention_;
  TransformerWeights routers_;  // of its blocks the routers alone
  TrainedWeights weights_;
  HeldOutHistory history_;
  at::Tensor energies_;  // [blocks, steps, 10], summed over steps of training
  // Of this call's steps but its first, which also brings kernels to the device; measures do not count.
  int64_t steps_here_ = 0, timed_chunks_ = 0;
  absl::Duration timed_;
};

absl::Status CheckTargets(const std::vector<double>& targets) {
  for (const double target : targets) {
    if (target >= 1) return WrongUsageError(absl::StrCat("--target ", target, ": must be below 1; the rest is dense"));
  }
  return BudgetNames(targets).status();
}

absl::StatusOr<PromptSet> OpenPrompts(const PromptRouterOptions& options, std::ostream& remarks) {
  PromptSetOptions prompts;
  prompts.model_folder = options.stage.model;
  prompts.device = options.stage.device;
  prompts.file = options.prompts.file;
  prompts.column = options.prompts.column;
  prompts.most = options.prompts.most;
  prompts.cache_folder = options.run_folder + "/text";
  return PromptSet::Open(prompts, remarks);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> MakePromptRouterStage(const PromptRouterOptions& options) {
  const bool speaks = options.stage.exchange->rank() == 0;
  std::ostream silent(nullptr);
  std::ostream& remarks = speaks ? std::cerr : silent;
  if (absl::Status chunks = CheckChunks(options.min_chunks, options.max_chunks); !chunks.ok()) return chunks;
  if (absl::Status targets = CheckTargets(options.budgets.targets); !targets.ok()) return targets;
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.stage.model);
  if (!config.ok()) return config.status();
  config->retention = NewRetention(*config);
  std::vector<RetentionTable> tables;
  if (!options.budgets.tables.empty()) {
    absl::StatusOr<std::vector<RetentionTable>> read = ReadTableFile(options.budgets.tables, *config);
    if (!read.ok()) return read.status();
    tables = *std::move(read);
  }
  absl::StatusOr<PromptSet> prompts = OpenPrompts(options, remarks);
  if (!prompts.ok()) return prompts.status();
  PromptClips draws({options.stage.seed, options.stage.batch, options.prompts.held_out}, prompts->prompts());
  // Before the network is loaded: the encoder may need the memory of the device.
  const absl::Status encoded = prompts->Encode(draws.PromptsOf(options.stage.steps), *options.stage.exchange, remarks);
  if (!encoded.ok()) return encoded;
  LatentRolloutOptions rollout_options;
  rollout_options.model_folder = options.stage.model;
  rollout_options.device = options.stage.device;
  rollout_options.most_clips = static_cast<int>(std::min<int64_t>(options.stage.PieceClips(), 1024));
  absl::StatusOr<std::unique_ptr<LatentRollout>> rollout = CreateLatentRollout(rollout_options);
  if (!rollout.ok()) return rollout.status();
  return std::make_unique<PromptRouterStage>(options, *std::move(prompts), std::move(draws), *std::move(rollout),
                                             std::move(tables));
}

}  // namespace videodiffcr::training
