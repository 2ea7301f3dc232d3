#include "training/students/ratio_budgets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "training/run/tensor_numbers.h"

namespace videodiffcr::training {
namespace {

constexpr double kRoutersAlone = 0.05, kTablesFixed = 0.8;  // where the second and the third stage begin
constexpr double kBalancedGap = 0.02;  // off a target by that, the budget's pull on the ratios equals the matching's
constexpr double kLeastBudgetWeight = 1, kMostBudgetWeight = 100;

// What the ratios of `target` are at first.
absl::StatusOr<std::vector<double>> FirstRatios(const VideodiffcrOptions& options, const ModelConfig& config,
                                                double target, RetentionTenths name) {
  const RetentionConfig& retention = config.retention;
  std::vector<double> ratios;
  if (options.model_ratios) {
    const absl::StatusOr<const RetentionTable*> table = FindTable(retention, name);
    if (!table.ok()) return table.status();
    const std::optional<std::vector<int>> tenths =
        LayerTenthsOf(**table, {retention.step_delta_tenths, retention.floor_tenths});
    if (!tenths) {
      return absl::FailedPreconditionError(
          absl::StrCat("config.json: retention.tables: that of 0.", name,
                       " has layers that are no ratio with the deltas of the steps; --model-ratios needs such"));
    }
    for (const int layer : *tenths) ratios.push_back(0.1 * layer);
    return ratios;
  }
  std::vector<double> pattern = options.initial_ratios;
  if (pattern.empty()) pattern = {target + 0.1, target - 0.1};
  for (size_t layer = 0; layer < static_cast<size_t>(config.transformer.num_layers); ++layer) {
    ratios.push_back(std::clamp(pattern[layer % pattern.size()], 0.1 * retention.floor_tenths, 1.0));
  }
  return ratios;
}

}  // namespace

RatioBudgets::RatioBudgets(const VideodiffcrOptions& options, const RetentionConfig& retention)
    : options_(options),
      rule_(RatioRuleOf(options, retention)),
      force_(at::zeros({2}, at::TensorOptions(at::kFloat))) {}

absl::StatusOr<RatioBudgets> RatioBudgets::Make(const VideodiffcrOptions& options, const ModelConfig& config,
                                                const at::Device& device) {
  RatioBudgets made(options, config.retention);
  std::vector<double> targets;
  for (const double target : options.targets) {
    const auto known = std::find(targets.begin(), targets.end(), target);
    made.schedule_.push_back(static_cast<size_t>(known - targets.begin()));
    if (known == targets.end()) targets.push_back(target);
  }
  const absl::StatusOr<std::vector<RetentionTenths>> names = BudgetNames(targets);
  if (!names.ok()) return names.status();
  for (size_t i = 0; i < targets.size(); ++i) {
    Budget budget = {targets[i], (*names)[i], {}};
    if (budget.name != kDenseTenths) {
      const absl::StatusOr<std::vector<double>> ratios = FirstRatios(options, config, budget.target, budget.name);
      if (!ratios.ok()) return ratios.status();
      budget.ratios = at::tensor(std::vector<float>(ratios->begin(), ratios->end())).to(device);
    }
    made.budgets_.push_back(std::move(budget));
  }
  return made;
}

RatioStage RatioBudgets::StageOf(const UpdateMoment& moment) const {
  if (moment.progress() < kRoutersAlone) return RatioStage::kRouters;
  return moment.progress() < kTablesFixed && options_.learn_ratios ? RatioStage::kAll : RatioStage::kFixedTables;
}

int64_t RatioBudgets::SecondStage(int64_t updates) {
  return static_cast<int64_t>(std::ceil(kRoutersAlone * static_cast<double>(updates)));
}

std::vector<RetentionTenths> RatioBudgets::names() const {
  std::vector<RetentionTenths> names = {kDenseTenths};
  for (const Budget& budget : budgets_) {
    if (budget.name != kDenseTenths) names.push_back(budget.name);
  }
  std::sort(names.begin(), names.end(), std::greater<>());
  return names;
}

size_t RatioBudgets::IndexOf(const UpdateMoment& moment) const {
  const auto length = static_cast<int64_t>(schedule_.size());
  return schedule_[static_cast<size_t>((moment.update % length + length) % length)];
}

const RatioBudgets::Budget& RatioBudgets::BudgetNamed(RetentionTenths name) const {
  return *std::find_if(budgets_.begin(), budgets_.end(), [name](const Budget& budget) { return budget.name == name; });
}

RetentionTable RatioBudgets::TableOf(RetentionTenths name, const std::vector<int>& tenths) const {
  return MakeRetentionTable(name, tenths, rule_.step_delta_tenths, rule_.floor_tenths);
}

RetentionTable RatioBudgets::NearestTable(RetentionTenths name) const {
  return TableOf(name, NearestTenthsOf(NumbersOf(ratios(name)), rule_));
}

RetentionTable RatioBudgets::ProjectedTable(RetentionTenths name) const {
  if (!options_.learn_ratios) return NearestTable(name);
  const Budget& budget = BudgetNamed(name);
  return TableOf(name, ProjectRatios(NumbersOf(budget.ratios), budget.target, rule_, options_.accounting));
}

std::vector<ParameterGroup> RatioBudgets::Parameters() {
  std::vector<ParameterGroup> groups;
  for (Budget& budget : budgets_) {
    if (budget.name == kDenseTenths) continue;
    const std::string name = absl::StrCat("ratios.", budget.name);
    groups.push_back({name, {{name, budget.ratios.sizes().vec(), &budget.ratios}}, 0, /*late=*/true});  // Penalty()
  }
  return groups;
}

int64_t RatioBudgets::UpdatesBefore(int64_t update, size_t index) const {
  const auto length = static_cast<int64_t>(schedule_.size());
  const int64_t in_all = std::count(schedule_.begin(), schedule_.end(), index);
  return update / length * in_all + std::count(schedule_.begin(), schedule_.begin() + update % length, index);
}

std::vector<GroupRate> RatioBudgets::Rates(const UpdateMoment& moment) const {
  std::vector<GroupRate> rates;
  const int64_t second = SecondStage(moment.updates);
  const double rate = options_.ratio_learning_rate * (1 - 0.9 * moment.progress() / kTablesFixed);
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (budgets_[i].name == kDenseTenths) continue;
    rates.push_back(
        {StageOf(moment) == RatioStage::kAll ? rate : 0, UpdatesBefore(moment.update, i) - UpdatesBefore(second, i)});
  }
  return rates;
}

// Such that the two gradients on the ratios have the same norm a little off the target: that of (mean - target)^2 is
// 2 gap / sqrt(layers).
double RatioBudgets::BudgetWeight(int64_t layers) const {
  if (options_.budget_weight > 0) return options_.budget_weight;
  const std::vector<double> force = NumbersOf(force_);
  const double mean = force[1] > 0 ? force[0] / force[1] : 0;
  return std::clamp(mean * std::sqrt(static_cast<double>(layers)) / (2 * kBalancedGap), kLeastBudgetWeight,
                    kMostBudgetWeight);
}

at::Tensor RatioBudgets::Penalty(const UpdateMoment& moment, RetentionTenths name) const {
  if (StageOf(moment) != RatioStage::kAll || name == kDenseTenths) return {};
  const Budget& budget = BudgetNamed(name);
  at::Tensor mean = budget.ratios.mean();
  if (options_.accounting == RatioAccounting::kExecuted) {
    const at::Tensor deltas = at::tensor(rule_.step_delta_tenths).to(budget.ratios.options()).detach() / 10;
    mean = (budget.ratios.unsqueeze(1) + deltas).clamp(0.1 * rule_.floor_tenths, 1).mean();
  }
  return BudgetWeight(budget.ratios.size(0)) * (mean - budget.target).square();
}

void RatioBudgets::AfterUpdate(const UpdateMoment& moment, const std::vector<double>& norms) {
  const c10::NoGradGuard no_gradients;
  size_t group = 0;
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (budgets_[i].name == kDenseTenths) continue;
    budgets_[i].ratios.clamp_(0.1 * rule_.floor_tenths, 1);
    if (StageOf(moment) == RatioStage::kRouters && i == IndexOf(moment)) {
      force_.add_(at::tensor(std::vector<float>{static_cast<float>(norms[group]), 1.0f}));
    }
    ++group;
  }
}

}  // namespace videodiffcr::training
