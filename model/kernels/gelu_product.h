// The wide product of the feed-forward in 8 bits, GELU (tanh form, causal_wan_dit.md section 4) of it, and the 8-bit
// form of that for the next product, with nothing in between that goes through memory (CUTLASS, Hopper):
//
//   out[r, o] = e4m3(GELU(row_scale[r] * column_scale[o] * sum over i of x[r, i] weight[o, i] + bias[o]) * shrink[r])
//
// A row's largest value is known only when all of it is there, so `shrink` comes from a bound: ProductBound of
// residual_norm.h.
//
// Promise: sums are fp32 in an order that depends on the shape alone; one rounding, which saturates.
#ifndef VIDEODIFFCR_MODEL_KERNELS_GELU_PRODUCT_H_
#define VIDEODIFFCR_MODEL_KERNELS_GELU_PRODUCT_H_

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct GeluProductCall {
  int rows = 0;
  int in = 0, out = 0;                  // multiples of 16
  const void* x = nullptr;              // [rows, in] e4m3
  const float* row_scale = nullptr;     // [rows]
  const void* weight = nullptr;         // [out, in] e4m3
  const float* column_scale = nullptr;  // [out]
  const void* bias = nullptr;           // [out] bfloat16
  const float* shrink = nullptr;        // [rows]
  void* result = nullptr;               // [rows, out] e4m3
};

// False, with nothing queued, when the kernel refuses the call: sizes that are no multiples of 16, pointers that are
// not of 16 bytes.
bool GeluProduct(const GeluProductCall& call, Stream stream);

// The same call on host memory with x, weight, bias and result in fp32: unrounded, so nothing saturates.
void PlainGeluProduct(const GeluProductCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_GELU_PRODUCT_H_
