#include "model/kernels/residual_norm.h"

#include "model/kernels/device_math.cuh"

namespace videodiffcr::kernels {
namespace {

__device__ __forceinline__ float4 Filled(float value) { return {value, value, value, value}; }

template <typename Product, typename Out, typename Layout>
__global__ void __launch_bounds__(kBlockThreads) ResidualNormRows(const __grid_constant__ ResidualNormCall call) {
  constexpr int kGroups = Layout::kGroups;
  const int row = Layout::row();
  if (row >= call.rows.rows()) return;
  const int segment = call.rows.segment_of(row), width = call.width;
  const int64_t at = int64_t{call.rows.base_row[segment] + call.rows.token(row, segment)} * width;
  float* stream = call.stream + at;
  const auto column = [](int group) { return Layout::column(group); };

  float4 x[kGroups];
  float sum = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    x[group] = column(group) < width ? Load4(stream + column(group)) : Filled(0);
  }
  if (call.product != nullptr) {
    const Product* product = static_cast<const Product*>(call.product) + int64_t{row} * width;
    const float* gate = call.gate[segment];
    const float factor =
        call.factor[segment] == nullptr ? 1.0f : call.factor[segment][row - call.rows.first_row[segment]];
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      if (column(group) >= width) continue;
      const float4 weight = (gate == nullptr ? Filled(1) : Load4(gate + column(group))) * factor;
      x[group] = x[group] + weight * Load4(product + column(group));
      Store4(stream + column(group), x[group]);
    }
  }
  if (call.out == nullptr) return;

#pragma unroll
  for (int group = 0; group < kGroups; ++group) sum += Sum(x[group]);
  const float mean = SumOverRow<Layout::kThreads>(sum) / width;
  float squares = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    if (column(group) >= width) continue;
    x[group] = x[group] - mean;
    squares += Sum(x[group] * x[group]);
  }
  const float inverse = rsqrtf(SumOverRow<Layout::kThreads>(squares) / width + call.eps);
  const float* scale = call.scale[segment];
  const float* shift = call.shift[segment];
  float largest = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    if (column(group) >= width) continue;
    x[group] = x[group] * inverse;
    if (scale != nullptr) x[group] = x[group] * Load4(scale + column(group));
    if (shift != nullptr) x[group] = x[group] + Load4(shift + column(group));
    largest = fmaxf(largest, LargestMagnitude(x[group]));
  }
  float shrink = 1;
  if constexpr (sizeof(Out) == 1) {
    const float row_scale = fmaxf(LargestOverRow<Layout::kThreads>(largest) / kFloat8Largest, 1e-12f);
    if (threadIdx.x == 0) call.out_scale[row] = row_scale;
    shrink = 1 / row_scale;
  }
  Out* out = static_cast<Out*>(call.out) + int64_t{row} * width;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    if (column(group) < width) Store4(out + column(group), x[group] * shrink);
  }
}

template <typename Product, typename Out>
void Launch(const ResidualNormCall& call, Stream stream) {
  DispatchRowWidth(call.width, [&](auto layout) {
    using Layout = decltype(layout);
    ResidualNormRows<Product, Out, Layout><<<Layout::grid(call.rows.rows()), Layout::block(), 0, stream>>>(call);
  });
}

template <typename Product>
void LaunchForOut(const ResidualNormCall& call, Stream stream) {
  switch (call.out_element) {
    case Element::kFloat32:
      return Launch<Product, float>(call, stream);
    case Element::kBfloat16:
      return Launch<Product, __nv_bfloat16>(call, stream);
    case Element::kFloat8:
      return Launch<Product, __nv_fp8_e4m3>(call, stream);
  }
}

}  // namespace

void ResidualNorm(const ResidualNormCall& call, Stream stream) {
  if (call.product_element == Element::kFloat32) {
    LaunchForOut<float>(call, stream);
  } else {
    LaunchForOut<__nv_bfloat16>(call, stream);
  }
}

}  // namespace videodiffcr::kernels
