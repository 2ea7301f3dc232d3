#include "convert/output_plan.h"

#include <algorithm>
#include <utility>

namespace videodiffcr {
namespace {

DType StoredType(TensorRole role, DType released, StoredPrecision precision) {
  if (released == DType::kBF16) return DType::kBF16;
  const bool keep = role == TensorRole::kPrecise || precision == StoredPrecision::kFloat32;
  return keep ? DType::kF32 : DType::kBF16;
}

}  // namespace

std::vector<OutputTensor> PlanOutput(const std::vector<ExpectedTensor>& expected, const SourceTensors& sources,
                                     const PrecisionOptions& options) {
  using Content = OutputTensor::Content;
  std::vector<OutputTensor> plan;
  for (const ExpectedTensor& row : expected) {
    if (row.role == TensorRole::kBlockLinear && options.fp8.has_value()) {
      const int64_t scales = *options.fp8 == Fp8Scaling::kPerTensor ? 1 : row.shape.front();
      plan.push_back({{row.name, DType::kF8E4M3, row.shape}, Content::kFp8Values, row.name});
      plan.push_back({{row.name + ".scale", DType::kF32, {scales}}, Content::kFp8Scales, row.name});
    } else {
      const DType released = sources.find(row.name)->second.dtype;
      plan.push_back(
          {{row.name, StoredType(row.role, released, options.precision), row.shape}, Content::kValues, row.name});
    }
  }
  // Wide types first, then by name: every tensor then starts at a multiple of its element's size.
  std::sort(plan.begin(), plan.end(), [](const OutputTensor& a, const OutputTensor& b) {
    return std::pair(-DTypeBytes(a.stored.dtype), a.stored.name) <
           std::pair(-DTypeBytes(b.stored.dtype), b.stored.name);
  });
  return plan;
}

int64_t PlannedBytes(const std::vector<OutputTensor>& plan) {
  int64_t bytes = 0;
  for (const OutputTensor& tensor : plan) bytes += StreamedBytes(tensor.stored);
  return bytes;
}

}  // namespace videodiffcr
