#include "model/kernels/residual_norm.h"

#include "model/kernels/device_math.cuh"
#include "model/kernels/launch.cuh"

namespace videodiffcr::kernels {
namespace {

__device__ __forceinline__ float4 Filled(float value) { return {value, value, value, value}; }

// The row's values of the residual stream with its product added. All loads come before the first store: a load behind
// a store would wait for it, since for all the compiler knows they may overlap.
template <typename Product, typename Layout>
__device__ __forceinline__ void LoadAndAdd(const ResidualNormCall& call, int row, int segment, float* stream,
                                           float4 (&x)[Layout::kGroups]) {
  const int width = call.width, index = row - call.rows.first_row[segment];
  const int32_t* rows_of_tokens = call.product_row[segment];
  const int place = rows_of_tokens == nullptr ? index : rows_of_tokens[call.rows.token(row, segment)];
  const bool adds = call.product != nullptr && place >= 0;
  const Product* from =
      adds ? static_cast<const Product*>(call.product) + int64_t{call.product_first[segment] + place} * width : nullptr;
  Packed4<Product> product[Layout::kGroups];
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    x[group] = at < width ? Load4(stream + at) : Filled(0);
    if (adds && at < width) product[group] = LoadPacked4(from + at);
  }
  if (!adds) return;
  const float* gate = call.gate[segment];
  const float factor = call.factor[segment] == nullptr ? 1.0f : call.factor[segment][place];
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    if (at >= width) continue;
    const float4 weight = (gate == nullptr ? Filled(1) : Load4(gate + at)) * factor;
    x[group] = x[group] + weight * Unpack4(product[group]);
  }
  StoreRow<Layout>(x, width, stream);
}

// x becomes LN(x) * scale + shift; returns the largest magnitude of this thread's values.
template <typename Layout>
__device__ __forceinline__ float Normalize(const ResidualNormCall& call, int segment, float4 (&x)[Layout::kGroups]) {
  const int width = call.width;
  float sum = 0, squares = 0, largest = 0;
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) sum += Sum(x[group]);
  const float mean = SumOverRow<Layout::kThreads>(sum) / width;
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    if (Layout::column(group) >= width) continue;
    x[group] = x[group] - mean;
    squares += Sum(x[group] * x[group]);
  }
  const float inverse = rsqrtf(SumOverRow<Layout::kThreads>(squares) / width + call.eps);
  const float* scale = call.scale[segment];
  const float* shift = call.shift[segment];
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    if (at >= width) continue;
    x[group] = x[group] * inverse;
    if (scale != nullptr) x[group] = x[group] * Load4(scale + at);
    if (shift != nullptr) x[group] = x[group] + Load4(shift + at);
    largest = fmaxf(largest, LargestMagnitude(x[group]));
  }
  return largest;
}

// What rounding to 8 bits adds to the length of a row at most.
constexpr float kFloat8Lengthening = 17.0f / 16;

template <typename Layout>
__device__ __forceinline__ void WriteBound(const ProductBound& bound, int row, int width,
                                           const float4 (&x)[Layout::kGroups]) {
  float squares = 0;
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    if (Layout::column(group) < width) squares += Sum(x[group] * x[group]);
  }
  const float length = kFloat8Lengthening * sqrtf(SumOverRow<Layout::kThreads>(squares));
  if (threadIdx.x != 0) return;
  const float scale = fmaxf((bound.output.reach * length + bound.output.offset) / kFloat8Largest, 1e-12f);
  bound.scale[row] = scale;
  bound.shrink[row] = 1 / scale;
}

template <typename Product, typename Out, typename Layout>
__global__ void __launch_bounds__(Layout::kBlockThreads)
    ResidualNormRows(const __grid_constant__ ResidualNormCall call) {
  WaitForKernelBefore();
  const int row = Layout::row();
  if (row >= call.rows.rows()) return;
  const int segment = call.rows.segment_of(row), width = call.width;
  float* stream = call.stream + int64_t{call.rows.base_row[segment] + call.rows.token(row, segment)} * width;
  float4 x[Layout::kGroups];
  LoadAndAdd<Product, Layout>(call, row, segment, stream, x);
  if (call.out == nullptr) return;

  const float largest = Normalize<Layout>(call, segment, x);
  float shrink = 1;
  if constexpr (sizeof(Out) == 1) {
    const float row_scale = fmaxf(LargestOverRow<Layout::kThreads>(largest) / kFloat8Largest, 1e-12f);
    if (threadIdx.x == 0) call.out_scale[row] = row_scale;
    shrink = 1 / row_scale;
    if (call.bound.scale != nullptr) WriteBound<Layout>(call.bound, row, width, x);
  }
  Out* out = static_cast<Out*>(call.out) + int64_t{row} * width;
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    if (Layout::column(group) < width) Store4(out + Layout::column(group), x[group] * shrink);
  }
}

template <typename Product, typename Out>
void Launch(const ResidualNormCall& call, Stream stream) {
  DispatchRowWidth(call.width, [&](auto layout) {
    using Layout = decltype(layout);
    LaunchEarly(ResidualNormRows<Product, Out, Layout>, Layout::grid(call.rows.rows()), Layout::block(), 0, stream,
                call);
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
