// Element types of device buffers, named without a CUDA header so that callers compile without one.
#ifndef VIDEODIFFCR_MODEL_KERNELS_ELEMENT_H_
#define VIDEODIFFCR_MODEL_KERNELS_ELEMENT_H_

struct CUstream_st;

namespace videodiffcr::kernels {

// A CUDA stream. Every launch function queues its work there and returns at once; errors of a launch stay in CUDA's
// error state, which the caller reads once per pass.
using Stream = CUstream_st*;

enum class Element {
  kFloat32,
  kBfloat16,
  kFloat16,
  kFloat8,  // e4m3
};

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_ELEMENT_H_
