#include "training/run/adam_w.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

AdamW::AdamW(std::vector<WeightRow> parameters, const AdamWOptions& options, GradientExchange* exchange)
    : AdamW({ParameterGroup{"", std::move(parameters), options.weight_decay}}, options, exchange) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options, GradientExchange* exchange)
    : options_(options) {
  if (exchange->world() > 1) sharded_ = std::make_unique<ShardedAdamW>(groups, options, exchange);
  for (const ParameterGroup& group : groups) {
    groups_.push_back({parameters_.size(), parameters_.size() + group.rows.size(), group.weight_decay});
    parameters_.insert(parameters_.end(), group.rows.begin(), group.rows.end());
  }
  for (const WeightRow& row : parameters_) {
    row.destination->set_requires_grad(true);
    if (sharded_ != nullptr) continue;
    means_.push_back(at::zeros_like(*row.destination));
    squares_.push_back(at::zeros_like(*row.destination));
  }
}

std::vector<AdamW::Lists> AdamW::RowsWithGradient() const {
  std::vector<Lists> groups;
  for (const Group& group : groups_) {
    Lists& lists = groups.emplace_back();
    for (size_t i = group.begin; i < group.end; ++i) {
      const at::Tensor& weight = *parameters_[i].destination;
      if (!weight.grad().defined()) continue;
      lists.rows.push_back(i);
      lists.fused.weights.push_back(weight);
      lists.fused.gradients.push_back(weight.grad());
      lists.fused.means.push_back(means_[i]);
      lists.fused.squares.push_back(squares_[i]);
    }
  }
  return groups;
}

absl::StatusOr<GradientNorms> AdamW::NormsOf(const std::vector<Lists>& groups,
                                             const std::vector<GroupRate>& rates) const {
  std::vector<at::Tensor> gradients;
  std::vector<size_t> rows;
  for (const Lists& lists : groups) {
    gradients.insert(gradients.end(), lists.fused.gradients.begin(), lists.fused.gradients.end());
    rows.insert(rows.end(), lists.rows.begin(), lists.rows.end());
  }
  GradientNorms norms;
  norms.groups.resize(groups.size());
  if (gradients.empty()) return norms;
  const at::Tensor of_rows = at::stack(at::_foreach_norm(gradients, 2)).to(at::kDouble).cpu();  // the only wait
  for (size_t i = 0; i < rows.size(); ++i) {
    if (std::isfinite(of_rows.const_data_ptr<double>()[i])) continue;
    return absl::InternalError(
        absl::StrCat("the gradient of ", parameters_[rows[i]].name, " is not finite; try a lower learning rate"));
  }
  std::vector<at::Tensor> moving;
  int64_t begin = 0;
  for (size_t group = 0; group < groups.size(); ++group) {
    const at::Tensor own = of_rows.narrow(0, begin, static_cast<int64_t>(groups[group].rows.size()));
    norms.groups[group] = own.norm().item<double>();
    if (rates[group].learning_rate > 0) moving.push_back(own);
    begin += own.size(0);
  }
  if (!moving.empty()) norms.all = at::cat(moving).norm().item<double>();
  return norms;
}

void AdamW::LastBackwardFollows() {
  if (sharded_ != nullptr) sharded_->LastBackwardFollows();
}

absl::StatusOr<GradientNorms> AdamW::UpdateGroups(const std::vector<GroupRate>& rates) {
  if (sharded_ != nullptr) return sharded_->UpdateGroups(rates);
  const c10::NoGradGuard no_gradients;
  const std::vector<Lists> groups = RowsWithGradient();
  const absl::StatusOr<GradientNorms> norms = NormsOf(groups, rates);
  if (!norms.ok()) return norms;
  for (size_t group = 0; group < groups.size(); ++group) {
    const Lists& lists = groups[group];
    if (lists.rows.empty()) continue;
    if (rates[group].learning_rate > 0) {
      if (norms->all > options_.clip_norm) at::_foreach_mul_(lists.fused.gradients, options_.clip_norm / norms->all);
      ApplyAdamW(lists.fused, rates[group], groups_[group].weight_decay, options_);
    }
    for (const size_t row : lists.rows) parameters_[row].destination->mutable_grad() = at::Tensor();
  }
  return norms;
}

absl::StatusOr<double> AdamW::Update(double learning_rate, int64_t update) {
  const absl::StatusOr<GradientNorms> norms =
      UpdateGroups(std::vector<GroupRate>(groups_.size(), {learning_rate, update}));
  if (!norms.ok()) return norms.status();
  return norms->all;
}

std::vector<StateRow> AdamW::State(const std::string& prefix) {
  if (sharded_ != nullptr) return sharded_->State(prefix);
  std::vector<StateRow> rows;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    rows.push_back({absl::StrCat(prefix, ".mean.", parameters_[i].name), parameters_[i].shape, &means_[i]});
    rows.push_back({absl::StrCat(prefix, ".square.", parameters_[i].name), parameters_[i].shape, &squares_[i]});
  }
  return rows;
}

}  // namespace videodiffcr::training
