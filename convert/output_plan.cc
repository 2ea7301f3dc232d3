#include "convert/output_plan.h"

#include <algorithm>
#include <utility>

namespace videodiffcr {
namespace {

// Whether bf16 holds every value as it is: of its own, and of 8-bit numbers without a scale.
bool FitsBFloat16(const SourceTensor& source) {
  if (!source.scales.empty()) return false;
  return source.dtype == DType::kBF16 || source.dtype == DType::kF8E4M3 || source.dtype == DType::kF8E5M2;
}

DType StoredType(TensorRole role, bool fits_bfloat16, StoredPrecision precision) {
  if (fits_bfloat16) return DType::kBF16;
  const bool keep = role == TensorRole::kPrecise || precision == StoredPrecision::kFloat32;
  return keep ? DType::kF32 : DType::kBF16;
}

}  // namespace

std::vector<OutputTensor> PlanOutput(const std::vector<ExpectedTensor>& expected, const SourceTensors& sources,
                                     const PrecisionOptions& options,
                                     const std::function<bool(const std::string& name)>& is_changed) {
  using Content = OutputTensor::Content;
  std::vector<OutputTensor> plan;
  for (const ExpectedTensor& row : expected) {
    if (row.role == TensorRole::kBlockLinear && options.fp8.has_value()) {
      const int64_t scales = *options.fp8 == Fp8Scaling::kPerTensor ? 1 : row.shape.front();
      plan.push_back({{row.name, DType::kF8E4M3, row.shape}, Content::kFp8Values, row.name});
      plan.push_back({{row.name + ".scale", DType::kF32, {scales}}, Content::kFp8Scales, row.name});
    } else {
      const bool changed = is_changed && is_changed(row.name);
      const bool fits = !changed && FitsBFloat16(sources.find(row.name)->second);
      plan.push_back(
          {{row.name, StoredType(row.role, fits, options.precision), row.shape}, Content::kValues, row.name});
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
