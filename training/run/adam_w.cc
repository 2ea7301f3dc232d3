#include "training/run/adam_w.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

AdamW::AdamW(std::vector<WeightRow> parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const WeightRow& row : parameters_) {
    row.destination->set_requires_grad(true);
    means_.push_back(at::zeros_like(*row.destination));
    squares_.push_back(at::zeros_like(*row.destination));
  }
}

absl::StatusOr<double> AdamW::GradientNorm() const {
  double squares = 0;
  for (const WeightRow& row : parameters_) {
    const at::Tensor& gradient = row.destination->grad();
    if (!gradient.defined()) continue;
    const double norm = at::linalg_vector_norm(gradient, 2).item<double>();
    if (!std::isfinite(norm)) {
      return absl::InternalError(
          absl::StrCat("the gradient of ", row.name, " is not finite; try a lower learning rate"));
    }
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

absl::StatusOr<double> AdamW::Update(double learning_rate, int64_t update) {
  const c10::NoGradGuard no_gradients;
  const absl::StatusOr<double> norm = GradientNorm();
  if (!norm.ok()) return norm.status();
  const double scale = std::min(1.0, options_.clip_norm / std::max(*norm, 1e-12));
  const double number = static_cast<double>(update + 1);
  const double mean_correction = 1 - std::pow(options_.beta1, number);
  const double square_correction = std::sqrt(1 - std::pow(options_.beta2, number));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& weight = *parameters_[i].destination;
    if (!weight.grad().defined()) continue;
    const at::Tensor gradient = weight.grad() * scale;
    means_[i].mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    squares_[i].mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    weight.mul_(1 - learning_rate * options_.weight_decay);
    const at::Tensor denominator = (squares_[i].sqrt() / square_correction).add_(options_.eps);
    weight.addcdiv_(means_[i], denominator, -learning_rate / mean_correction);
    weight.mutable_grad() = at::Tensor();
  }
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
