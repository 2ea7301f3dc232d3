// GELU (tanh form, causal_wan_dit.md section 4) of the wide feed-forward rows, and their 8-bit form with one scale per
// row, in one pass: in [rows, width] bfloat16 -> out e4m3 and out_scale [rows], out * out_scale being the value.
#ifndef VIDEODIFFCR_MODEL_KERNELS_GELU_QUANTIZE_H_
#define VIDEODIFFCR_MODEL_KERNELS_GELU_QUANTIZE_H_

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct GeluQuantizeCall {
  int rows = 0;
  int width = 0;               // a multiple of 8, at most kWidestRow (residual_norm.h)
  const void* in = nullptr;    // [rows, width] bfloat16
  void* out = nullptr;         // [rows, width] e4m3
  float* out_scale = nullptr;  // [rows]
};

void GeluQuantize(const GeluQuantizeCall& call, Stream stream);

// The same call on host memory with `in` and `out` in fp32: GELU alone, unrounded, so every scale is 1.
void PlainGeluQuantize(const GeluQuantizeCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_GELU_QUANTIZE_H_
