#include "training/students/videodiffcr_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "system/wrong_usage.h"
#include "training/model/initial_weights.h"
#include "training/model/network_copy.h"
#include "training/run/tensor_numbers.h"
#include "training/students/baseline_student.h"
#include "training/students/interpolated_block.h"
#include "training/students/linear_router.h"
#include "training/students/routed_network.h"

namespace videodiffcr::training {
namespace {

constexpr double kRoutersAlone = 0.05, kTablesFixed = 0.8;  // where the second and the third stage begin
constexpr double kFirstGateScale = 0.05, kLeastGateScale = 0.01;
constexpr double kBalancedGap = 0.02;  // off a target by that, the budget's pull on the ratios equals the matching's
constexpr double kLeastBudgetWeight = 1, kMostBudgetWeight = 100;

enum class Stage { kRouters, kAll, kFixedTables };

// Ratios that are not learned are a table from the first update on.
Stage StageOf(const UpdateMoment& moment, const VideodiffcrOptions& options) {
  if (moment.progress() < kRoutersAlone) return Stage::kRouters;
  return moment.progress() < kTablesFixed && options.learn_ratios ? Stage::kAll : Stage::kFixedTables;
}

// The first update of the second stage.
int64_t SecondStage(int64_t updates) {
  return static_cast<int64_t>(std::ceil(kRoutersAlone * static_cast<double>(updates)));
}

// How many of the updates before `update` train `budget`.
int64_t UpdatesBefore(int64_t update, size_t budget, const std::vector<size_t>& schedule) {
  const auto length = static_cast<int64_t>(schedule.size());
  const int64_t in_all = std::count(schedule.begin(), schedule.end(), budget);
  return update / length * in_all + std::count(schedule.begin(), schedule.begin() + update % length, budget);
}

int TenthsOfDelta(double delta) { return static_cast<int>(std::lround(10 * delta)); }

absl::Status CheckDeltas(const VideodiffcrOptions& options, const RetentionConfig& retention) {
  if (options.deltas.empty()) return absl::OkStatus();
  if (!options.step_deltas) return WrongUsageError("--deltas: goes with --step-deltas yes only");
  if (options.deltas.size() != retention.step_delta_tenths.size()) {
    return WrongUsageError(absl::StrCat("--deltas: ", options.deltas.size(), " numbers; the model has ",
                                        retention.step_delta_tenths.size(), " denoising steps"));
  }
  for (const double delta : options.deltas) {
    if (!(std::abs(delta) <= 1) || std::abs(10 * delta - TenthsOfDelta(delta)) > 1e-6) {
      return WrongUsageError(absl::StrCat("--deltas ", delta, ": must be a tenth from -1 to 1"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const VideodiffcrOptions& options, const ModelConfig& config, const std::string& folder) {
  const RetentionConfig& retention = config.retention;
  if (absl::Status deltas = CheckDeltas(options, retention); !deltas.ok()) return deltas;
  if (options.model_ratios && !options.initial_ratios.empty()) {
    return WrongUsageError("--model-ratios yes: takes no --initial-ratios");
  }
  const int least_width = options.router == RouterKind::kLinear ? 2 : 1;
  if (retention.file.empty() || retention.router_dim < least_width || retention.gate == RouterGate::kSigmoid) {
    return absl::FailedPreconditionError(absl::StrCat(folder,
                                                      "/config.json: retention needs a file, a router_dim of at least ",
                                                      least_width, " and gate \"none\" or \"two_sigmoid\""));
  }
  if (options.light_bypass != 0 && retention.bypass_rank != 0 && options.light_bypass != retention.bypass_rank) {
    return WrongUsageError(absl::StrCat("--light-bypass ", options.light_bypass, ": the model has one of rank ",
                                        retention.bypass_rank, " (retention.bypass_rank of its config.json)"));
  }
  if (options.cache_aware && options.router == RouterKind::kLinear) {
    return WrongUsageError("--cache-aware yes: goes with --router temporal only");
  }
  const double least = 0.1 * retention.floor_tenths;
  for (const double ratio : options.initial_ratios) {
    if (!(ratio >= least && ratio <= 1)) {
      return WrongUsageError(
          absl::StrCat("--initial-ratios ", ratio, ": must be from ", least, " (floor_tenths) to 1"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideodiffcrStudent>> VideodiffcrStudent::Make(const VideodiffcrOptions& options,
                                                                             const std::string& folder, uint64_t seed,
                                                                             TrainingModel& model) {
  if (absl::Status checked = CheckOptions(options, model.config, folder); !checked.ok()) return checked;
  std::unique_ptr<VideodiffcrStudent> student(new VideodiffcrStudent(options, model));
  student->weight_rows_ = TransformerWeightTable(model.config.transformer, &model.transformer.weights);
  if (absl::Status made = student->MakeRouters(folder, seed); !made.ok()) return made;
  student->MakeBypass(seed);
  if (options.cache_aware) student->cache_aware_rows_ = CacheAwareTable(model.config, &student->cache_aware_);
  InitializeCacheAware(student->cache_aware_rows_, model.device);
  const bool gated = model.config.retention.gate == RouterGate::kTwoSigmoid && !options.fresh_routers &&
                     options.router == RouterKind::kTemporal;
  const at::TensorOptions fp32 = at::TensorOptions(at::kFloat).device(model.device);
  student->gate_scale_ = at::full({model.config.transformer.num_layers}, gated ? 1.0 : kFirstGateScale, fp32);
  student->force_ = at::zeros({2}, at::TensorOptions(at::kFloat));
  if (absl::Status made = student->MakeBudgets(); !made.ok()) return made;
  return student;
}

absl::Status VideodiffcrStudent::MakeRouters(const std::string& folder, uint64_t seed) {
  const int64_t layers = model_.config.transformer.num_layers, dim = model_.config.transformer.dim;
  // Of a linear router the model's own give nothing but the light bypass beside them.
  if (!options_.fresh_routers &&
      (options_.router == RouterKind::kTemporal || model_.config.retention.bypass_rank > 0)) {
    if (absl::Status loaded = LoadRouters(folder, &model_); !loaded.ok()) return loaded;
  }
  if (options_.router == RouterKind::kLinear) {
    const absl::StatusOr<at::Tensor> weights =
        options_.fresh_routers ? DrawLinearRouters(model_, seed) : FitLinearRouters(model_, seed);
    if (!weights.ok()) return weights.status();
    linear_ = *weights;
    router_rows_ = {{"router.weight", {layers, dim}, &linear_}};
    return absl::OkStatus();
  }
  router_rows_ =
      RouterWeightTable(model_.config.transformer, model_.config.retention.router_dim, &model_.transformer.weights);
  if (options_.fresh_routers) InitializeRouters(router_rows_, seed, model_.device);
  return absl::OkStatus();
}

void VideodiffcrStudent::MakeBypass(uint64_t seed) {
  const bool fresh = options_.fresh_routers || model_.config.retention.bypass_rank == 0;
  if (options_.light_bypass > 0) model_.config.retention.bypass_rank = options_.light_bypass;
  bypass_rows_ =
      BypassWeightTable(model_.config.transformer, model_.config.retention.bypass_rank, &model_.transformer.weights);
  if (fresh) InitializeBypass(bypass_rows_, seed, model_.device);
}

absl::Status VideodiffcrStudent::MakeBudgets() {
  std::vector<double> targets;
  for (const double target : options_.targets) {
    const auto known = std::find(targets.begin(), targets.end(), target);
    schedule_.push_back(static_cast<size_t>(known - targets.begin()));
    if (known == targets.end()) targets.push_back(target);
  }
  const absl::StatusOr<std::vector<RetentionTenths>> names = BudgetNames(targets);
  if (!names.ok()) return names.status();
  for (size_t i = 0; i < targets.size(); ++i) {
    Budget budget = {targets[i], (*names)[i], {}};
    if (budget.name != kDenseTenths) {
      const absl::StatusOr<std::vector<double>> ratios = FirstRatios(budget);
      if (!ratios.ok()) return ratios.status();
      budget.ratios = at::tensor(std::vector<float>(ratios->begin(), ratios->end())).to(model_.device);
    }
    budgets_.push_back(std::move(budget));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> VideodiffcrStudent::FirstRatios(const Budget& budget) const {
  std::vector<double> ratios;
  if (options_.model_ratios) {
    const absl::StatusOr<const RetentionTable*> table = FindTable(model_.config.retention, budget.name);
    if (!table.ok()) return table.status();
    const std::optional<std::vector<int>> tenths = LayerTenthsOf(**table, ModelRule());
    if (!tenths) {
      return absl::FailedPreconditionError(
          absl::StrCat("config.json: retention.tables: that of 0.", budget.name,
                       " has layers that are no ratio with the deltas of the steps; --model-ratios needs such"));
    }
    for (const int layer : *tenths) ratios.push_back(0.1 * layer);
    return ratios;
  }
  std::vector<double> pattern = options_.initial_ratios;
  if (pattern.empty()) pattern = {budget.target + 0.1, budget.target - 0.1};
  const double least = 0.1 * model_.config.retention.floor_tenths;
  for (size_t layer = 0; layer < static_cast<size_t>(model_.config.transformer.num_layers); ++layer) {
    ratios.push_back(std::clamp(pattern[layer % pattern.size()], least, 1.0));
  }
  return ratios;
}

std::map<std::string, std::string> VideodiffcrStudent::settings() const {
  std::map<std::string, std::string> settings = {
      {"targets", absl::StrJoin(options_.targets, ",")},
      {"accounting", options_.accounting == RatioAccounting::kNominal ? "nominal" : "executed"},
      {"initial ratios", options_.model_ratios             ? "the model's"
                         : options_.initial_ratios.empty() ? "alternating"
                                                           : absl::StrJoin(options_.initial_ratios, ",")},
      {"routers", absl::StrCat(options_.router == RouterKind::kLinear ? "linear, " : "",
                               options_.fresh_routers ? "drawn" : "the model's")},
      {"step deltas", absl::StrJoin(rule().step_delta_tenths, ",")},
      {"ratios", options_.learn_ratios ? "learned" : "fixed"},
      {"router learning rate", absl::StrCat(options_.router_learning_rate)},
      {"ratio learning rate", absl::StrCat(options_.ratio_learning_rate)},
      {"budget weight", options_.budget_weight > 0 ? absl::StrCat(options_.budget_weight) : "balanced"}};
  if (const int64_t rank = model_.config.retention.bypass_rank; rank > 0) settings["light bypass"] = absl::StrCat(rank);
  if (options_.cache_aware) {
    settings["method"] = name();  // what kStudentFile is opened as
    settings["cache aware"] = "yes";
  }
  return settings;
}

std::vector<RetentionTenths> VideodiffcrStudent::budgets() const {
  std::vector<RetentionTenths> names = {kDenseTenths};
  for (const Budget& budget : budgets_) {
    if (budget.name != kDenseTenths) names.push_back(budget.name);
  }
  std::sort(names.rbegin(), names.rend());
  return names;
}

RatioRule VideodiffcrStudent::ModelRule() const {
  const RetentionConfig& retention = model_.config.retention;
  return {retention.step_delta_tenths, retention.floor_tenths};
}

RatioRule VideodiffcrStudent::rule() const {
  RatioRule rule = ModelRule();
  for (size_t step = 0; step < rule.step_delta_tenths.size(); ++step) {
    if (!options_.step_deltas) rule.step_delta_tenths[step] = 0;
    if (!options_.deltas.empty()) rule.step_delta_tenths[step] = TenthsOfDelta(options_.deltas[step]);
  }
  return rule;
}

size_t VideodiffcrStudent::IndexOf(const UpdateMoment& moment) const {
  const auto length = static_cast<int64_t>(schedule_.size());
  return schedule_[static_cast<size_t>((moment.update % length + length) % length)];
}

const VideodiffcrStudent::Budget& VideodiffcrStudent::BudgetNamed(RetentionTenths name) const {
  return *std::find_if(budgets_.begin(), budgets_.end(), [name](const Budget& budget) { return budget.name == name; });
}

// Weights first, then routers with what is added to them, gates, and the ratios of each target (videodiffcr.md
// section 5.4).
std::vector<ParameterGroup> VideodiffcrStudent::Parameters() {
  std::vector<ParameterGroup> groups = {
      {"weights", weight_rows_, 0.01},
      {"routers", router_rows_, 0},
      {"gates", {{"gate_scale", gate_scale_.sizes().vec(), &gate_scale_}}, 0},
  };
  for (const std::vector<WeightRow>* more : {&bypass_rows_, &cache_aware_rows_}) {
    groups[1].rows.insert(groups[1].rows.end(), more->begin(), more->end());
  }
  for (Budget& budget : budgets_) {
    if (budget.name == kDenseTenths) continue;
    const std::string name = absl::StrCat("ratios.", budget.name);
    groups.push_back({name, {{name, budget.ratios.sizes().vec(), &budget.ratios}}, 0, /*late=*/true});  // Penalty()
  }
  return groups;
}

std::vector<GroupRate> VideodiffcrStudent::Rates(const UpdateMoment& moment) const {
  const Stage stage = StageOf(moment, options_);
  const int64_t second = SecondStage(moment.updates);
  const double router_rate = options_.router_learning_rate * (1 - 0.8 * moment.progress());
  std::vector<GroupRate> rates = {{stage == Stage::kRouters ? 0 : moment.weight_rate, moment.update - second},
                                  {router_rate, moment.update},
                                  {router_rate, moment.update}};
  const double ratio_rate = options_.ratio_learning_rate * (1 - 0.9 * moment.progress() / kTablesFixed);
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (budgets_[i].name == kDenseTenths) continue;
    rates.push_back({stage == Stage::kAll ? ratio_rate : 0,
                     UpdatesBefore(moment.update, i, schedule_) - UpdatesBefore(second, i, schedule_)});
  }
  return rates;
}

std::vector<WeightRow> VideodiffcrStudent::AveragedRows() {
  std::vector<WeightRow> rows;
  for (const ParameterGroup& group : Parameters()) {
    if (absl::StartsWith(group.name, "ratios")) continue;
    rows.insert(rows.end(), group.rows.begin(), group.rows.end());
  }
  return rows;
}

std::vector<WeightRow> VideodiffcrStudent::State() { return {{"force", {2}, &force_}}; }

RetentionTenths VideodiffcrStudent::BudgetOf(const UpdateMoment& moment, RandomStream&) const {
  return budgets_[IndexOf(moment)].name;
}

DiffusionTransformer VideodiffcrStudent::GatedNetwork(at::ScalarType dtype) const {
  DiffusionTransformer network = CastTransformer(model_.transformer, dtype);
  for (size_t i = 0; i < network.weights.blocks.size(); ++i) {
    std::optional<RouterWeights>& router = network.weights.blocks[i].router;
    const int64_t layer = static_cast<int64_t>(i);
    if (linear_.defined()) {
      router =
          AsServedRouter(linear_[layer], model_.config.retention.router_dim, model_.config.transformer.chunk_frames);
    }
    router->score = router->score * gate_scale_[layer];
  }
  return network;
}

RetentionTable VideodiffcrStudent::ProjectedTable(RetentionTenths name) const {
  const Budget& budget = BudgetNamed(name);
  const std::vector<int> tenths =
      options_.learn_ratios ? ProjectRatios(NumbersOf(budget.ratios), budget.target, rule(), options_.accounting)
                            : NearestTenthsOf(NumbersOf(budget.ratios), rule());
  return MakeRetentionTable(name, tenths, rule().step_delta_tenths, rule().floor_tenths);
}

std::unique_ptr<StudentNetwork> VideodiffcrStudent::Open(const RolloutPurpose& purpose) const {
  const bool routed = purpose.budget != kDenseTenths;
  const bool learning =
      routed && purpose.moment && options_.learn_ratios && StageOf(*purpose.moment, options_) != Stage::kFixedTables;
  RetentionTable table;
  if (learning) {
    table = MakeRetentionTable(purpose.budget, NearestTenthsOf(NumbersOf(ratios(purpose.budget)), rule()),
                               rule().step_delta_tenths, rule().floor_tenths);
  } else if (routed) {
    table = ProjectedTable(purpose.budget);
  }
  RoutedPasses passes = RoutedNetwork::PassesOf(model_, GatedNetwork(purpose.dtype), table, purpose.scorer);
  passes.rule.gate = RouterGate::kTwoSigmoid;
  passes.cache_aware = cache_aware_;
  if (learning) {
    const at::Tensor rho = ratios(purpose.budget);
    passes.learned = rho;
    passes.runner = [blocks = passes.network.weights.blocks, rule = rule(), rho, values = NumbersOf(rho)](
                        size_t step, PassKind kind) -> RoutedPass {
      if (kind == PassKind::kServed) return {};
      return [=](size_t index, const BlockContext& context, const RoutingRule& routing, const at::Tensor& x) {
        const RatioBins bins = BinsOf(values[index], rule.step_delta_tenths[step], rule.floor_tenths);
        return InterpolatedBlock(blocks[index], context, routing, bins, rho[static_cast<int64_t>(index)], x);
      };
    };
  }
  return std::make_unique<RoutedNetwork>(std::move(passes));
}

// Such that the two gradients on the ratios have the same norm a little off the target: that of (mean - target)^2 is
// 2 gap / sqrt(layers).
double VideodiffcrStudent::BudgetWeight() const {
  if (options_.budget_weight > 0) return options_.budget_weight;
  const std::vector<double> force = NumbersOf(force_);
  const double mean = force[1] > 0 ? force[0] / force[1] : 0;
  const double layers = static_cast<double>(model_.config.transformer.num_layers);
  return std::clamp(mean * std::sqrt(layers) / (2 * kBalancedGap), kLeastBudgetWeight, kMostBudgetWeight);
}

// lambda (mean of the ratios - target)^2, videodiffcr.md section 5.2.
at::Tensor VideodiffcrStudent::Penalty(const UpdateMoment& moment, RetentionTenths name) const {
  if (StageOf(moment, options_) != Stage::kAll || name == kDenseTenths) return {};
  const Budget& budget = BudgetNamed(name);
  at::Tensor mean = budget.ratios.mean();
  if (options_.accounting == RatioAccounting::kExecuted) {
    const at::Tensor deltas = at::tensor(rule().step_delta_tenths).to(budget.ratios.options()).detach() / 10;
    mean = (budget.ratios.unsqueeze(1) + deltas).clamp(0.1 * rule().floor_tenths, 1).mean();
  }
  return BudgetWeight() * (mean - budget.target).square();
}

void VideodiffcrStudent::AfterUpdate(const UpdateMoment& moment, const GradientNorms& norms) {
  const c10::NoGradGuard no_gradients;
  gate_scale_.clamp_min_(kLeastGateScale);
  size_t group = 3;
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (budgets_[i].name == kDenseTenths) continue;
    budgets_[i].ratios.clamp_(0.1 * rule().floor_tenths, 1);
    if (StageOf(moment, options_) == Stage::kRouters && i == IndexOf(moment)) {
      force_.add_(at::tensor(std::vector<float>{static_cast<float>(norms.groups[group]), 1.0f}));
    }
    ++group;
  }
}

StudentExport VideodiffcrStudent::Export() {
  const c10::NoGradGuard no_gradients;
  StudentExport result;
  ModelConfig& config = result.config.emplace(model_.config);
  config.retention.gate = RouterGate::kTwoSigmoid;
  config.retention.step_delta_tenths = rule().step_delta_tenths;
  config.retention.tables.clear();
  for (const RetentionTenths name : budgets()) {
    if (name == kDenseTenths) continue;
    config.retention.tables.push_back(ProjectedTable(name));
    absl::StrAppend(&result.remark, result.remark.empty() ? "" : "; ", "ratios of 0.", name, ": ",
                    absl::StrJoin(NumbersOf(ratios(name)), " ", [](std::string* out, double ratio) {
                      absl::StrAppend(out, std::round(ratio * 1000) / 1000);
                    }));
  }
  exported_ = GatedNetwork(at::kFloat);
  const std::vector<WeightRow> routing = RoutingWeightTable(config.transformer, config.retention.router_dim,
                                                            config.retention.bypass_rank, &exported_.weights);
  result.files = {{config.transformer_file, weight_rows_}, {config.retention.file, routing, at::kFloat}};
  if (cache_aware_.any()) result.files.push_back({kStudentFile, cache_aware_rows_, at::kFloat});
  return result;
}

}  // namespace videodiffcr::training
