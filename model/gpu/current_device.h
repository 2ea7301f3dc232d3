// Memory and the stream of the current CUDA device, as the GPU path takes them.
#ifndef VIDEODIFFCR_MODEL_GPU_CURRENT_DEVICE_H_
#define VIDEODIFFCR_MODEL_GPU_CURRENT_DEVICE_H_

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <vector>

#include "model/kernels/element.h"

namespace videodiffcr::gpu {

inline kernels::Stream CurrentStream() { return c10::cuda::getCurrentCUDAStream().stream(); }

inline at::Tensor EmptyOnGpu(const std::vector<int64_t>& shape, at::ScalarType type) {
  return at::empty(shape, at::TensorOptions(at::kCUDA).dtype(type));
}

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_CURRENT_DEVICE_H_
