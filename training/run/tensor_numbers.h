#ifndef VIDEODIFFCR_TRAINING_RUN_TENSOR_NUMBERS_H_
#define VIDEODIFFCR_TRAINING_RUN_TENSOR_NUMBERS_H_

#include <ATen/core/Tensor.h>

#include <vector>

namespace videodiffcr::training {

// The tensor's values in order, whatever its type and device; waits for the device.
std::vector<double> NumbersOf(const at::Tensor& tensor);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_TENSOR_NUMBERS_H_
