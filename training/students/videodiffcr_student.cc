#include "training/students/videodiffcr_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "training/model/initial_weights.h"
#include "training/model/network_copy.h"
#include "training/run/tensor_numbers.h"
#include "training/students/baseline_student.h"
#include "training/students/interpolated_block.h"
#include "training/students/linear_router.h"
#include "training/students/routed_network.h"

namespace videodiffcr::training {
namespace {

constexpr std::ptrdiff_t kGroupsBeforeRatios = 3;  // weights, routers, gates
constexpr double kFirstGateScale = 0.05, kLeastGateScale = 0.01;
}  // namespace

absl::StatusOr<std::unique_ptr<VideodiffcrStudent>> VideodiffcrStudent::Make(const VideodiffcrOptions& options,
                                                                             const std::string& folder, uint64_t seed,
                                                                             TrainingModel& model) {
  if (absl::Status checked = CheckOptions(options, model.config, folder); !checked.ok()) return checked;
  absl::StatusOr<RatioBudgets> budgets = RatioBudgets::Make(options, model.config, model.device);
  if (!budgets.ok()) return budgets.status();
  std::unique_ptr<VideodiffcrStudent> student(new VideodiffcrStudent(options, model, *std::move(budgets)));
  student->weight_rows_ = TransformerWeightTable(model.config.transformer, &model.transformer.weights);
  if (absl::Status made = student->MakeRouters(folder, seed); !made.ok()) return made;
  student->MakeBypass(seed);
  if (options.cache_aware) student->cache_aware_rows_ = CacheAwareTable(model.config, &student->cache_aware_);
  InitializeCacheAware(student->cache_aware_rows_, model.device);
  const bool gated = model.config.retention.gate == RouterGate::kTwoSigmoid && !options.fresh_routers &&
                     options.router == RouterKind::kTemporal;
  const at::TensorOptions fp32 = at::TensorOptions(at::kFloat).device(model.device);
  student->gate_scale_ = at::full({model.config.transformer.num_layers}, gated ? 1.0 : kFirstGateScale, fp32);
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

std::map<std::string, std::string> VideodiffcrStudent::settings() const {
  std::map<std::string, std::string> settings = {
      {"targets", absl::StrJoin(options_.targets, ",")},
      {"accounting", options_.accounting == RatioAccounting::kNominal ? "nominal" : "executed"},
      {"initial ratios", options_.model_ratios             ? "the model's"
                         : options_.initial_ratios.empty() ? "alternating"
                                                           : absl::StrJoin(options_.initial_ratios, ",")},
      {"routers", absl::StrCat(options_.router == RouterKind::kLinear ? "linear, " : "",
                               options_.fresh_routers ? "drawn" : "the model's")},
      {"step deltas", absl::StrJoin(budgets_.rule().step_delta_tenths, ",")},
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
  std::vector<ParameterGroup> ratios = budgets_.Parameters();
  std::move(ratios.begin(), ratios.end(), std::back_inserter(groups));
  return groups;
}

std::vector<GroupRate> VideodiffcrStudent::Rates(const UpdateMoment& moment) const {
  const bool routers_alone = budgets_.StageOf(moment) == RatioStage::kRouters;
  const double router_rate = options_.router_learning_rate * (1 - 0.8 * moment.progress());
  std::vector<GroupRate> rates = {
      {routers_alone ? 0 : moment.weight_rate, moment.update - RatioBudgets::SecondStage(moment.updates)},
      {router_rate, moment.update},
      {router_rate, moment.update}};
  const std::vector<GroupRate> ratios = budgets_.Rates(moment);
  rates.insert(rates.end(), ratios.begin(), ratios.end());
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

std::unique_ptr<StudentNetwork> VideodiffcrStudent::Open(const RolloutPurpose& purpose) const {
  const bool routed = purpose.budget != kDenseTenths;
  const bool learning = routed && purpose.moment && options_.learn_ratios &&
                        budgets_.StageOf(*purpose.moment) != RatioStage::kFixedTables;
  RetentionTable table;
  if (routed) {
    table = learning ? budgets_.NearestTable(purpose.budget) : budgets_.ProjectedTable(purpose.budget);
  }
  RoutedPasses passes = RoutedNetwork::PassesOf(model_, GatedNetwork(purpose.dtype), table, purpose.scorer);
  passes.rule.gate = RouterGate::kTwoSigmoid;
  passes.cache_aware = cache_aware_;
  if (learning) {
    const at::Tensor rho = ratios(purpose.budget);
    passes.learned = rho;
    passes.runner = [blocks = passes.network.weights.blocks, rule = budgets_.rule(), rho, values = NumbersOf(rho)](
                        size_t step, PassKind kind) -> RoutedPass {
      if (kind == PassKind::kServed) return {};
      return [=](size_t index, const BlockContext& context, const RoutingRule& routing, const at::Tensor& x) {
        const RatioBins bins = BinsOf(values[index], rule.step_delta_tenths[step], rule.floor_tenths);
        return InterpolatedBlock(blocks[index], context, routing, bins, rho[static_cast<int64_t>(index)], x);
      };
    };
  }
  passes.on_kernels = purpose.on_kernels;
  return std::make_unique<RoutedNetwork>(std::move(passes));
}

void VideodiffcrStudent::AfterUpdate(const UpdateMoment& moment, const GradientNorms& norms) {
  const c10::NoGradGuard no_gradients;
  gate_scale_.clamp_min_(kLeastGateScale);
  budgets_.AfterUpdate(moment, {norms.groups.begin() + kGroupsBeforeRatios, norms.groups.end()});
}

StudentExport VideodiffcrStudent::Export() {
  const c10::NoGradGuard no_gradients;
  StudentExport result;
  ModelConfig& config = result.config.emplace(model_.config);
  config.retention.gate = RouterGate::kTwoSigmoid;
  config.retention.step_delta_tenths = budgets_.rule().step_delta_tenths;
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
