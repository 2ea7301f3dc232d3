// The values of one tensor from the type it was released in to the type it is stored in, in pieces of a fixed size.
#ifndef VIDEODIFFCR_CONVERT_TENSOR_CONVERSION_H_
#define VIDEODIFFCR_CONVERT_TENSOR_CONVERSION_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/tensor_values.h"

namespace videodiffcr {

// Takes the bytes of the next piece; a failure ends the conversion.
using ByteSink = std::function<absl::Status(absl::Span<const uint8_t>)>;

enum class Fp8Scaling {
  kPerTensor,     // one scale
  kPerOutputRow,  // one scale per row of the weight [out, in]
};

// Scales that map the largest magnitude of the tensor, or of each row, to the largest E4M3 number, where
// value = e4m3 * scale. A scale is 1 where all values are zero. DataLoss when a value is not finite. `source` has two
// axes.
absl::StatusOr<std::vector<float>> FindFp8Scales(const TensorValues& source, Fp8Scaling scaling);

// `target` is F32 or BF16. DataLoss when a value is not finite, or not in bfloat16's range: released weights are
// finite, so such a file is damaged.
absl::Status ConvertValues(const TensorValues& source, DType target, const ByteSink& sink);

// E4M3 of value / scale; `scales` as FindFp8Scales() returned them.
absl::Status ConvertToFp8(const TensorValues& source, const std::vector<float>& scales, const ByteSink& sink);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_TENSOR_CONVERSION_H_
