#include "training/run/adam_w.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

AdamW::AdamW(std::vector<WeightRow> parameters, const AdamWOptions& options, GradientExchange* exchange)
    : parameters_(std::move(parameters)), options_(options), exchange_(exchange) {
  for (const WeightRow& row : parameters_) {
    row.destination->set_requires_grad(true);
    means_.push_back(at::zeros_like(*row.destination));
    squares_.push_back(at::zeros_like(*row.destination));
  }
}

AdamW::Lists AdamW::RowsWithGradient() const {
  Lists lists;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& weight = *parameters_[i].destination;
    if (!weight.grad().defined()) continue;
    lists.rows.push_back(i);
    lists.weights.push_back(weight);
    lists.gradients.push_back(weight.grad());
    lists.means.push_back(means_[i]);
    lists.squares.push_back(squares_[i]);
  }
  return lists;
}

absl::StatusOr<double> AdamW::GradientNorm(const Lists& lists) const {
  if (lists.rows.empty()) return 0.0;
  const at::Tensor norms = at::stack(at::_foreach_norm(lists.gradients, 2)).to(at::kDouble).cpu();
  for (size_t i = 0; i < lists.rows.size(); ++i) {
    if (std::isfinite(norms.const_data_ptr<double>()[i])) continue;
    return absl::InternalError(
        absl::StrCat("the gradient of ", parameters_[lists.rows[i]].name, " is not finite; try a lower learning rate"));
  }
  return norms.norm().item<double>();
}

absl::StatusOr<double> AdamW::Update(double learning_rate, int64_t update) {
  const c10::NoGradGuard no_gradients;
  Lists lists = RowsWithGradient();
  if (absl::Status averaged = exchange_->AllReduceMean(lists.gradients); !averaged.ok()) return averaged;
  const absl::StatusOr<double> norm = GradientNorm(lists);
  if (!norm.ok() || lists.rows.empty()) return norm;
  if (*norm > options_.clip_norm) at::_foreach_mul_(lists.gradients, options_.clip_norm / *norm);
  const at::Tensor number =
      at::full({}, static_cast<double>(update + 1), lists.weights[0].options().dtype(at::kFloat).requires_grad(false));
  const std::vector<at::Tensor> numbers(lists.rows.size(), number);
  // One kernel for many tensors: with one or more a tensor, starting them costs a GPU more than running them.
  at::_fused_adamw_(lists.weights, lists.gradients, lists.means, lists.squares, {}, numbers, learning_rate,
                    options_.beta1, options_.beta2, options_.weight_decay, options_.eps, /*amsgrad=*/false,
                    /*maximize=*/false);
  for (const size_t row : lists.rows) parameters_[row].destination->mutable_grad() = at::Tensor();
  return norm;
}

std::vector<WeightRow> AdamW::State(const std::string& prefix) {
  std::vector<WeightRow> rows;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    rows.push_back({absl::StrCat(prefix, ".mean.", parameters_[i].name), parameters_[i].shape, &means_[i]});
    rows.push_back({absl::StrCat(prefix, ".square.", parameters_[i].name), parameters_[i].shape, &squares_[i]});
  }
  return rows;
}

}  // namespace videodiffcr::training
