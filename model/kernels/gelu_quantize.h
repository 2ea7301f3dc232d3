// GELU (tanh form, causal_wan_dit.md section 4) of the wide feed-forward rows, and their 8-bit form with one scale per
// row, in one pass: in [rows, width] bfloat16 -> out e4m3 and out_scale [rows], out * out_scale being the value.
#ifndef VIDEODIFFCR_MODEL_KERNELS_GELU_QUANTIZE_H_
#define VIDEODIFFCR_MODEL_KERNELS_GELU_QUANTIZE_H_

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

// `width`: a multiple of 8, at most kWidestRow (residual_norm.h).
void GeluQuantize(int rows, int width, const void* in, void* out, float* out_scale, Stream stream);

// GELU alone, fp32 on the host.
float PlainGelu(float x);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_GELU_QUANTIZE_H_
