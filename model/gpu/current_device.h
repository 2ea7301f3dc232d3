// Memory and the stream of the current CUDA device, as the GPU path takes them.
#ifndef VIDEODIFFCR_MODEL_GPU_CURRENT_DEVICE_H_
#define VIDEODIFFCR_MODEL_GPU_CURRENT_DEVICE_H_

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <vector>

#include "model/kernels/element.h"

namespace videodiffcr::gpu {

inline kernels::Stream CurrentStream() { return c10::cuda::getCurrentCUDAStream().stream(); }

inline at::Tensor EmptyOnGpu(const std::vector<int64_t>& shape, at::ScalarType type) {
  return at::empty(shape, at::TensorOptions(at::kCUDA).dtype(type));
}

// Of any type: not every one has a fill kernel, bytes have.
inline at::Tensor ZerosOnGpu(std::vector<int64_t> shape, at::ScalarType type) {
  shape.back() *= static_cast<int64_t>(c10::elementSize(type));
  return at::zeros(shape, at::TensorOptions(at::kCUDA).dtype(at::kByte)).view(type);
}

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_CURRENT_DEVICE_H_
