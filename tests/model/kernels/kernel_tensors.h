// What tests of CUDA kernels share: tensors on both sides, tolerances by element.
#ifndef VIDEODIFFCR_TESTS_MODEL_KERNELS_KERNEL_TENSORS_H_
#define VIDEODIFFCR_TESTS_MODEL_KERNELS_KERNEL_TENSORS_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/kernels/element.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::kernels {

inline constexpr float kEps = 1e-6f;

inline Stream TestStream() { return c10::cuda::getCurrentCUDAStream().stream(); }
inline at::Tensor OnGpu(const at::Tensor& tensor) { return tensor.to(at::kCUDA); }
inline at::Tensor OnHost(const at::Tensor& tensor) { return tensor.to(at::kCPU).to(at::kFloat).contiguous(); }
inline at::Tensor Empty(std::vector<int64_t> shape, at::ScalarType type) {
  return at::empty(shape, at::TensorOptions(at::kCUDA).dtype(type));
}
inline const float* Floats(const at::Tensor& tensor) { return tensor.const_data_ptr<float>(); }
inline float* MutableFloats(const at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

inline at::ScalarType TypeOf(Element element) {
  return element == Element::kFloat32 ? at::kFloat : element == Element::kBfloat16 ? at::kBFloat16 : at::kFloat8_e4m3fn;
}
// Half a unit in the last place of the type, relative, with room for the arithmetic before it.
inline double Tolerance(Element element) {
  return element == Element::kFloat32 ? 2e-5 : element == Element::kBfloat16 ? 5e-3 : 7e-2;
}

// Largest difference over largest magnitude.
inline double RelativeError(const at::Tensor& got, const at::Tensor& want) {
  return (OnHost(got) - want).abs().max().item<double>() / std::max(want.abs().max().item<double>(), 1e-6);
}

inline RowSet OneSession(int rows, const int32_t* kept = nullptr) {
  RowSet set;
  set.segments = 1;
  set.first_row[1] = rows;
  set.kept[0] = kept;
  return set;
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_TESTS_MODEL_KERNELS_KERNEL_TENSORS_H_
