// What the GPU path computes in. Residual stream, norms, rotary turns and latents are fp32 in all of them.
#ifndef VIDEODIFFCR_MODEL_GPU_PRECISION_H_
#define VIDEODIFFCR_MODEL_GPU_PRECISION_H_

#include <ATen/core/Tensor.h>

#include "model/kernels/element.h"

namespace videodiffcr::gpu {

enum class Precision {
  kFloat32,   // for checks against the golden files
  kBfloat16,  // products and attention
  kFloat8,    // products that read a normalised row, attention where there is a kernel for it; the rest bfloat16
};

inline at::ScalarType ActivationType(Precision precision) {
  return precision == Precision::kFloat32 ? at::kFloat : at::kBFloat16;
}
inline kernels::Element ActivationElement(Precision precision) {
  return precision == Precision::kFloat32 ? kernels::Element::kFloat32 : kernels::Element::kBfloat16;
}

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_PRECISION_H_
