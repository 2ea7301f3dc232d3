// The numbers of a tensor, whatever its type, order in memory and scale.
#ifndef VIDEODIFFCR_CONVERT_TENSOR_VALUES_H_
#define VIDEODIFFCR_CONVERT_TENSOR_VALUES_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "convert/weight_file.h"

namespace videodiffcr {

// A type that weights are released in: F64, F32, F16, BF16, F8_E4M3 or F8_E5M2.
bool IsWeightType(DType dtype);

// Adds to values that were read, in fp32: elements [first, first + count) in row-major order.
using ValueChange = std::function<absl::Status(int64_t first, int64_t count, float* values)>;

// Reads in pieces and holds nothing but a reference to the tensor's bytes.
class TensorValues {
 public:
  // The tensor's bytes must be there (WeightFile::Load()) and outlive this.
  TensorValues(SourceTensor source, ValueChange change = nullptr)  // NOLINT: a tensor is its values
      : source_(std::move(source)), change_(std::move(change)) {}

  const std::vector<int64_t>& shape() const { return source_.shape; }
  int64_t elements() const { return source_.elements(); }

  // Elements [first, first + count) in row-major order, as fp32: exact but for F64, which is rounded to nearest.
  // DataLoss names the element that is not finite; InvalidArgument the type that is none of weights.
  absl::Status Read(int64_t first, int64_t count, float* values) const;

 private:
  absl::Status ReadRun(int64_t place, int64_t stride, int64_t count, float* values) const;
  absl::Status ReadStrided(int64_t first, int64_t count, float* values) const;

  SourceTensor source_;
  ValueChange change_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_TENSOR_VALUES_H_
