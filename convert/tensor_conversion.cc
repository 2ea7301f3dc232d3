#include "convert/tensor_conversion.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "convert/number_conversion.h"

namespace videodiffcr {
namespace {

constexpr int64_t kPieceElements = 1 << 16;  // 256 KiB as fp32: stays in a core's cache

absl::Status ToBFloat16(const std::vector<float>& values, int64_t first, int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t rounded = FloatToBFloat16(values[i]);
    if ((rounded & 0x7fff) == 0x7f80) {
      return absl::DataLossError(absl::StrCat("element ", first + i, " is ", values[i], ", beyond the range of BF16"));
    }
    std::memcpy(out + 2 * i, &rounded, sizeof(rounded));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ConvertValues(const TensorValues& source, DType target, const ByteSink& sink) {
  const int64_t elements = source.elements();
  std::vector<float> values(std::min(elements, kPieceElements));
  std::vector<uint8_t> rounded(values.size() * 2);
  for (int64_t first = 0; first < elements; first += kPieceElements) {
    const int64_t count = std::min(kPieceElements, elements - first);
    if (absl::Status status = source.Read(first, count, values.data()); !status.ok()) return status;
    absl::Status status;
    if (target == DType::kF32) {
      status = sink({reinterpret_cast<const uint8_t*>(values.data()), static_cast<size_t>(4 * count)});
    } else {
      status = ToBFloat16(values, first, count, rounded.data());
      if (status.ok()) status = sink({rounded.data(), static_cast<size_t>(2 * count)});
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> FindFp8Scales(const TensorValues& source, Fp8Scaling scaling) {
  const int64_t elements = source.elements();
  const int64_t rows = scaling == Fp8Scaling::kPerTensor ? 1 : source.shape().front();
  const int64_t row_elements = elements / rows;
  std::vector<float> scales(rows);
  std::vector<float> values(std::min(row_elements, kPieceElements));
  for (int64_t row = 0; row < rows; ++row) {
    float largest = 0.0f;
    for (int64_t first = 0; first < row_elements; first += kPieceElements) {
      const int64_t count = std::min(kPieceElements, row_elements - first);
      absl::Status status = source.Read(row * row_elements + first, count, values.data());
      if (!status.ok()) return status;
      for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
    }
    // Not below the smallest normal number: a scale must not lose digits itself.
    scales[row] = largest == 0.0f ? 1.0f : std::max(largest / kMaxE4M3, FLT_MIN);
  }
  return scales;
}

absl::Status ConvertToFp8(const TensorValues& source, const std::vector<float>& scales, const ByteSink& sink) {
  const int64_t rows = static_cast<int64_t>(scales.size());
  const int64_t row_elements = source.elements() / rows;
  std::vector<float> values(std::min(row_elements, kPieceElements));
  std::vector<uint8_t> codes(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t first = 0; first < row_elements; first += kPieceElements) {
      const int64_t count = std::min(kPieceElements, row_elements - first);
      absl::Status status = source.Read(row * row_elements + first, count, values.data());
      if (!status.ok()) return status;
      for (int64_t i = 0; i < count; ++i) codes[i] = FloatToE4M3(values[i] / scales[row]);
      status = sink({codes.data(), static_cast<size_t>(count)});
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
