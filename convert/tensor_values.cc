#include "convert/tensor_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "convert/little_endian.h"
#include "convert/number_conversion.h"

namespace videodiffcr {
namespace {

float LoadF32(const uint8_t* bytes) {
  float value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float LoadF64(const uint8_t* bytes) {
  double value;
  std::memcpy(&value, bytes, sizeof(value));
  return static_cast<float>(value);
}

// `count` elements that lie `step` bytes apart.
template <typename Load>
void Gather(const uint8_t* bytes, int64_t step, int64_t count, float* values, const Load& load) {
  for (int64_t i = 0; i < count; ++i) values[i] = load(bytes + i * step);
}

}  // namespace

bool IsWeightType(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      return true;
    default:
      return false;
  }
}

absl::Status TensorValues::Read(int64_t first, int64_t count, float* values) const {
  absl::Status status = source_.strides.empty() ? ReadRun(first, 1, count, values) : ReadStrided(first, count, values);
  if (!status.ok()) return status;
  if (!source_.scales.empty()) {
    const int64_t row_elements = elements() / static_cast<int64_t>(source_.scales.size());
    for (int64_t i = 0; i < count; ++i) values[i] *= source_.scales[(first + i) / row_elements];
  }
  if (change_) {
    if (status = change_(first, count, values); !status.ok()) return status;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) {
      return absl::DataLossError(absl::StrCat("element ", first + i, " is ", values[i], "; weights must be finite"));
    }
  }
  return absl::OkStatus();
}

// `place`, `stride`: elements from the tensor's first one.
absl::Status TensorValues::ReadRun(int64_t place, int64_t stride, int64_t count, float* values) const {
  const int64_t element_bytes = DTypeBytes(source_.dtype);
  const uint8_t* bytes = source_.bytes.data() + place * element_bytes;
  const int64_t step = stride * element_bytes;
  switch (source_.dtype) {
    case DType::kF64:
      Gather(bytes, step, count, values, LoadF64);
      return absl::OkStatus();
    case DType::kF32:
      Gather(bytes, step, count, values, LoadF32);
      return absl::OkStatus();
    case DType::kF16:
      Gather(bytes, step, count, values, [](const uint8_t* from) { return HalfToFloat(LoadU16(from)); });
      return absl::OkStatus();
    case DType::kBF16:
      Gather(bytes, step, count, values, [](const uint8_t* from) { return BFloat16ToFloat(LoadU16(from)); });
      return absl::OkStatus();
    case DType::kF8E4M3:
      Gather(bytes, step, count, values, [](const uint8_t* from) { return E4M3ToFloat(*from); });
      return absl::OkStatus();
    case DType::kF8E5M2:
      Gather(bytes, step, count, values, [](const uint8_t* from) { return E5M2ToFloat(*from); });
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(absl::StrCat("type ", std::string(DTypeName(source_.dtype)),
                                                     "; expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2"));
  }
}

// Runs along the last axis, from wherever `first` lies in it.
absl::Status TensorValues::ReadStrided(int64_t first, int64_t count, float* values) const {
  const int64_t row = source_.shape.back();
  while (count > 0) {
    int64_t rest = first / row;
    int64_t place = first % row * source_.strides.back();
    for (size_t axis = source_.shape.size() - 1; axis-- > 0;) {
      place += rest % source_.shape[axis] * source_.strides[axis];
      rest /= source_.shape[axis];
    }
    const int64_t run = std::min(count, row - first % row);
    if (absl::Status status = ReadRun(place, source_.strides.back(), run, values); !status.ok()) return status;
    first += run;
    count -= run;
    values += run;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
