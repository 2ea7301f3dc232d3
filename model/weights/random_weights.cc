#include "model/weights/random_weights.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"

namespace videodiffcr {
namespace {

constexpr double kSpreadOfVectors = 0.05;

bool IsGain(const WeightRow& row) {
  const auto wide = std::count_if(row.shape.begin(), row.shape.end(), [](int64_t size) { return size != 1; });
  return wide <= 1 && (absl::StrContains(row.name, "norm") || absl::StrContains(row.name, "gamma"));
}

}  // namespace

void FillRandomWeights(const std::vector<WeightRow>& rows, uint64_t seed, const WeightOptions& options) {
  at::manual_seed(seed);
  const auto tensor_options = at::TensorOptions().dtype(options.dtype).device(options.device);
  for (const WeightRow& row : rows) {
    at::Tensor values = at::randn(row.shape, tensor_options);
    if (IsGain(row)) {
      values.mul_(kSpreadOfVectors).add_(1);
    } else if (row.shape.size() == 1) {
      values.mul_(kSpreadOfVectors);
    } else {
      int64_t inputs = 1;
      for (size_t i = 1; i < row.shape.size(); ++i) inputs *= row.shape[i];
      values.mul_(1 / std::sqrt(static_cast<double>(inputs)));
    }
    *row.destination = values;
  }
}

}  // namespace videodiffcr
