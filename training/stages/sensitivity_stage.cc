#include "training/stages/sensitivity_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "training/model/dense_rollout.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/stages/step_scenes.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kMostSteps = 8, kChunks = 3;

class SensitivityStage final : public TrainingStage {
 public:
  SensitivityStage(const StageOptions& stage, double target, TrainingModel model)
      : stage_(stage), target_(target), model_(std::move(model)) {
    errors_ = at::zeros({layers(), kDenseTenths, static_cast<int64_t>(model_.schedule.sigmas.size())},
                        at::TensorOptions(at::kFloat).device(model_.device));
  }

  std::string name() const override { return "sensitivity"; }
  int64_t total_steps() const override { return std::min(stage_.steps, kMostSteps); }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = stage_.Settings();
    settings["target"] = absl::StrCat(target_);
    return settings;
  }
  std::vector<StateRow> State() override { return {StateRow("errors", errors_.sizes().vec(), &errors_)}; }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    const c10::NoGradGuard no_gradients;
    StepRandom random(stage_.seed, step, model_.device);
    const std::vector<std::string> captions = CaptionsOfStep(stage_, step, random.scalars());
    const double before = errors_.sum().item<double>();
    for (const BatchPiece& piece : stage_.Pieces()) {
      const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model_, piece.Of(captions));
      if (!hidden.ok()) return hidden.status();
      StepRandom of_piece = random.ForPiece(piece);
      Measure(*hidden, of_piece);
    }
    StepResult result;
    result.loss = errors_.sum().item<double>() - before;
    return result;
  }

  absl::Status Finish() override {
    const std::vector<int> tenths = LeastSensitiveTenths(Losses(), target_, rule());
    const RetentionTenths name = std::clamp(NearestTenths(target_ + 1e-6), 1, kDenseTenths - 1);
    ModelConfig config = model_.config;
    config.retention.tables = {MakeRetentionTable(name, tenths, rule().step_delta_tenths, rule().floor_tenths)};
    return WriteStageResult(*this, stage_, {{config.retention.file, routers_, at::kFloat}},
                            absl::StrCat("tenths of the blocks: ", absl::StrJoin(tenths, " ")), config);
  }

  void UseRouters() {
    const RetentionConfig& retention = model_.config.retention;
    routers_ = RoutingWeightTable(model_.config.transformer, retention.router_dim, retention.bypass_rank,
                                  &model_.transformer.weights);
  }

 private:
  int64_t layers() const { return model_.config.transformer.num_layers; }
  RatioRule rule() const { return {model_.config.retention.step_delta_tenths, model_.config.retention.floor_tenths}; }

  void Measure(const at::Tensor& hidden, StepRandom& random) {
    RollOutDense(model_, hidden, kChunks, random, [&](const at::Tensor& x, size_t step, const RolloutState& state) {
      return MeasurePass(x, step, state);
    });
  }

  // Returns the dense flow, and adds the errors of all swaps.
  at::Tensor MeasurePass(const at::Tensor& x, size_t step, const RolloutState& state) {
    const float sigma = model_.schedule.sigmas[step];
    const RoutingRule routing = {
        model_.config.retention.gate, model_.config.retention.kv_mode, model_.config.retention.frame_floor, {}, {}};
    PassInput pass = MakePass(x, model_.schedule.timesteps[step], routing, state);
    const at::Tensor dense = RunPass(model_.transformer, pass).flow;
    for (int64_t layer = 0; layer < layers(); ++layer) {
      for (int tenths = rule().floor_tenths; tenths < kDenseTenths; ++tenths) {
        pass.tenths.assign(static_cast<size_t>(layers()), kDenseTenths);
        pass.tenths[static_cast<size_t>(layer)] = tenths;
        const at::Tensor error = (RunPass(model_.transformer, pass).flow - dense).square().mean() * (sigma * sigma);
        errors_[layer][tenths - 1][static_cast<int64_t>(step)].add_(error);
      }
    }
    return dense;
  }

  // Of each layer's ratio, its steps' summed.
  std::vector<std::vector<double>> Losses() const {
    const at::Tensor errors = errors_.to(at::kDouble).cpu().contiguous();
    const auto error = errors.accessor<double, 3>();
    std::vector<std::vector<double>> losses;
    for (int64_t layer = 0; layer < layers(); ++layer) {
      std::vector<double>& of_layer = losses.emplace_back();
      for (int ratio = rule().floor_tenths; ratio <= kDenseTenths; ++ratio) {
        double sum = 0;
        for (size_t step = 0; step < rule().step_delta_tenths.size(); ++step) {
          const int tenths = std::clamp(ratio + rule().step_delta_tenths[step], rule().floor_tenths, kDenseTenths);
          sum += error[layer][tenths - 1][static_cast<int64_t>(step)];  // of 10 tenths: never added to, 0
        }
        of_layer.push_back(sum);
      }
    }
    return losses;
  }

  const StageOptions stage_;
  const double target_;
  TrainingModel model_;
  std::vector<WeightRow> routers_;
  at::Tensor errors_;  // [layer, tenths - 1, step], summed over passes
};

}  // namespace

// Dynamic programming over the tenths that layers and steps have together.
std::vector<int> LeastSensitiveTenths(const std::vector<std::vector<double>>& losses, double target,
                                      const RatioRule& rule, RatioAccounting accounting) {
  const int steps = static_cast<int>(rule.step_delta_tenths.size());
  const size_t most = losses.size() * static_cast<size_t>(kDenseTenths * steps);
  const auto price = [&](int ratio) {
    if (accounting == RatioAccounting::kNominal) return static_cast<size_t>(ratio * steps);
    int sum = 0;
    for (const int delta : rule.step_delta_tenths) sum += std::clamp(ratio + delta, rule.floor_tenths, kDenseTenths);
    return static_cast<size_t>(sum);
  };
  struct Way {
    double loss = std::numeric_limits<double>::infinity();
    std::vector<int> tenths;
  };
  std::vector<Way> best(most + 1);  // by the sum so far
  best[0].loss = 0;
  for (const std::vector<double>& of_layer : losses) {
    std::vector<Way> next(most + 1);
    for (size_t sum = 0; sum <= most; ++sum) {
      if (!std::isfinite(best[sum].loss)) continue;
      for (int ratio = rule.floor_tenths; ratio <= kDenseTenths; ++ratio) {
        Way& way = next[sum + price(ratio)];
        const double loss = best[sum].loss + of_layer[static_cast<size_t>(ratio - rule.floor_tenths)];
        if (loss >= way.loss) continue;
        way = {loss, best[sum].tenths};
        way.tenths.push_back(ratio);
      }
    }
    best = std::move(next);
  }
  const Way* nearest = nullptr;
  double distance = 0;
  for (size_t sum = 0; sum <= most; ++sum) {
    if (!std::isfinite(best[sum].loss)) continue;
    const double from_target = std::fabs(static_cast<double>(sum) - target * static_cast<double>(most));
    if (nearest == nullptr || from_target < distance) nearest = &best[sum], distance = from_target;
  }
  return nearest == nullptr ? std::vector<int>() : nearest->tenths;
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeSensitivityStage(const StageOptions& stage, double target) {
  if (!(target >= 0.1 && target < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("--target ", target, ": must be from 0.1 to below 1"));
  }
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(stage);
  if (!model.ok()) return model.status();
  if (absl::Status routers = LoadRouters(stage.model, &*model); !routers.ok()) return routers;
  auto made = std::make_unique<SensitivityStage>(stage, target, *std::move(model));
  made->UseRouters();
  return made;
}

}  // namespace videodiffcr::training
