// Scales that files of 8-bit weights keep beside them.
#ifndef VIDEODIFFCR_CONVERT_FP8_SCALES_H_
#define VIDEODIFFCR_CONVERT_FP8_SCALES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "convert/weight_file.h"

namespace videodiffcr {

using TensorLoader = std::function<absl::StatusOr<SourceTensor>(const std::string& name)>;

// Joins "X.scale_weight", "X.weight_scale" and "X.weight.scale" to the weight "X.weight" (value = what is stored times
// the scale) and takes them out of `tensors`, with the marks and the scales of activations that stand beside them.
// Scales are one number, or one per row of the weight. InvalidArgument names the tensor as it stands in the file.
absl::Status JoinFp8Scales(SourceTensors* tensors, const TensorLoader& load);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_FP8_SCALES_H_
