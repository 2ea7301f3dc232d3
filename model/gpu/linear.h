// y = x W^T + b on the GPU's matrix units, into memory that is already there.
#ifndef VIDEODIFFCR_MODEL_GPU_LINEAR_H_
#define VIDEODIFFCR_MODEL_GPU_LINEAR_H_

#include <ATen/core/Tensor.h>

#include "model/kernels/residual_norm.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr::gpu {

struct GpuLinear {
  at::Tensor weight;        // [out, in]
  at::Tensor bias;          // [out]
  at::Tensor weight_scale;  // [1, out] fp32, only with 8-bit weights: weight * weight_scale^T is the value

  bool is_float8() const { return weight_scale.defined(); }
  int64_t out() const { return weight.size(0); }
  int64_t in() const { return weight.size(1); }
};

GpuLinear MakeGpuLinear(const LinearWeights& linear, at::ScalarType type);
// Weights as e4m3 with one scale per output (largest magnitude / 448); bias in bfloat16.
GpuLinear MakeFloat8Linear(const LinearWeights& linear);
// Of its weights as they are stored. Waits for the device.
kernels::OutputBound OutputBoundOf(const GpuLinear& linear);
// Output rows of several layers with the same input, one after the other.
LinearWeights StackLinears(const std::vector<const LinearWeights*>& linears);
// Outputs [first, first + count), sharing memory.
GpuLinear OutputsOf(const GpuLinear& linear, int64_t first, int64_t count);

// x [rows, in] -> out [rows, linear.out()]. `x_scale` [rows, 1] goes with 8-bit rows and is undefined otherwise.
void Apply(const GpuLinear& linear, const at::Tensor& x, const at::Tensor& x_scale, at::Tensor out);
// x [rows, in] -> out [rows, out] fp32, without a bias, whatever the type of x and `weight` [out, in]: sums of few
// outputs that rank tokens or are added to the stream must not be rounded to 16 bits.
void ApplyWide(const at::Tensor& weight, const at::Tensor& x, at::Tensor out);
// The same as Apply(), then GELU in its tanh form, in the product's epilogue. Not for 8-bit weights.
void ApplyGelu(const GpuLinear& linear, const at::Tensor& x, at::Tensor out);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_LINEAR_H_
