#include "training/run/weight_average.h"

#include <ATen/ops/_foreach_lerp.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

WeightAverage::WeightAverage(std::vector<WeightRow> rows, double decay) : rows_(std::move(rows)), decay_(decay) {
  for (const WeightRow& row : rows_) averages_.push_back(row.destination->detach().clone());
}

void WeightAverage::Update(int64_t update) {
  const c10::NoGradGuard no_gradients;
  const double number = static_cast<double>(update);
  const double decay = std::min(decay_, (1 + number) / (10 + number));
  std::vector<at::Tensor> weights;
  for (const WeightRow& row : rows_) weights.push_back(*row.destination);
  at::_foreach_lerp_(averages_, weights, 1 - decay);
}

void WeightAverage::CopyTo(const std::vector<WeightRow>& rows) const {
  const c10::NoGradGuard no_gradients;
  for (size_t i = 0; i < rows.size(); ++i) rows[i].destination->copy_(averages_[i]);
}

std::vector<WeightRow> WeightAverage::State(const std::string& prefix) {
  std::vector<WeightRow> rows = Averaged();
  for (WeightRow& row : rows) row.name = absl::StrCat(prefix, ".", row.name);
  return rows;
}

std::vector<WeightRow> WeightAverage::Averaged() {
  std::vector<WeightRow> rows;
  for (size_t i = 0; i < rows_.size(); ++i) rows.push_back({rows_[i].name, rows_[i].shape, &averages_[i]});
  return rows;
}

}  // namespace videodiffcr::training
