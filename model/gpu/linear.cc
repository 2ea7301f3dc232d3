#include "model/gpu/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/_scaled_mm.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>

namespace videodiffcr::gpu {
namespace {

constexpr double kFloat8Largest = 448;

at::Tensor AsMatrix(const at::Tensor& weight) { return weight.flatten(1); }

}  // namespace

GpuLinear MakeGpuLinear(const LinearWeights& linear, at::ScalarType type) {
  return {AsMatrix(linear.weight).to(type).contiguous(), linear.bias.to(type).contiguous(), {}};
}

GpuLinear MakeFloat8Linear(const LinearWeights& linear) {
  const at::Tensor weight = AsMatrix(linear.weight).to(at::kFloat);
  const at::Tensor scale = (weight.abs().amax(1, /*keepdim=*/true) / kFloat8Largest).clamp_min(1e-12);  // [out, 1]
  return {(weight / scale).to(at::kFloat8_e4m3fn).contiguous(), linear.bias.to(at::kBFloat16).contiguous(),
          scale.t().contiguous()};
}

kernels::OutputBound OutputBoundOf(const GpuLinear& linear) {
  at::Tensor weight = linear.weight.to(at::kFloat);
  if (linear.is_float8()) weight = weight * linear.weight_scale.t();
  return {weight.square().sum(1).amax().sqrt().item<float>(), linear.bias.to(at::kFloat).abs().amax().item<float>()};
}

LinearWeights StackLinears(const std::vector<const LinearWeights*>& linears) {
  std::vector<at::Tensor> weights, biases;
  for (const LinearWeights* linear : linears) {
    weights.push_back(linear->weight);
    biases.push_back(linear->bias);
  }
  return {at::cat(weights), at::cat(biases)};
}

GpuLinear OutputsOf(const GpuLinear& linear, int64_t first, int64_t count) {
  return {linear.weight.narrow(0, first, count), linear.bias.narrow(0, first, count),
          linear.is_float8() ? linear.weight_scale.narrow(1, first, count) : at::Tensor()};
}

void Apply(const GpuLinear& linear, const at::Tensor& x, const at::Tensor& x_scale, at::Tensor out) {
  if (linear.is_float8()) {
    at::_scaled_mm_out(out, x, linear.weight.t(), x_scale, linear.weight_scale, linear.bias,
                       /*scale_result=*/std::nullopt, out.scalar_type(), /*use_fast_accum=*/true);
  } else {
    at::addmm_out(out, linear.bias, x, linear.weight.t());
  }
}

void ApplyWide(const at::Tensor& weight, const at::Tensor& x, at::Tensor out) {
  if (x.scalar_type() == at::kFloat) {
    at::mm_out(out, x, weight.t());
  } else {
    at::mm_out(out, x, weight.t(), at::kFloat);
  }
}

void ApplyGelu(const GpuLinear& linear, const at::Tensor& x, at::Tensor out) {
  at::_addmm_activation_out(out, linear.bias, x, linear.weight.t(), 1, 1, /*use_gelu=*/true);
}

}  // namespace videodiffcr::gpu
