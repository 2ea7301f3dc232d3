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

// The tensor type of a kernel's element type.
inline at::ScalarType TypeOf(kernels::Element element) {
  switch (element) {
    case kernels::Element::kFloat32:
      return at::kFloat;
    case kernels::Element::kBfloat16:
      return at::kBFloat16;
    case kernels::Element::kFloat16:
      return at::kHalf;
    case kernels::Element::kFloat8:
      break;
  }
  return at::kFloat8_e4m3fn;
}

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_PRECISION_H_
