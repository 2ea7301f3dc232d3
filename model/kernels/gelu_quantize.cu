#include "model/kernels/gelu_quantize.h"

#include "model/kernels/device_math.cuh"

namespace videodiffcr::kernels {
namespace {

// x sigmoid(2 u) is 0.5 x (1 + tanh(u)).
__device__ __forceinline__ float Gelu(float x) {
  const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
  return x / (1.0f + __expf(-2 * u));
}

template <int kGroups>
__global__ void __launch_bounds__(kRowThreads)
    GeluQuantizeRows(int width, const __nv_bfloat16* in, __nv_fp8_e4m3* out, float* out_scale) {
  const int64_t row = blockIdx.x;
  float4 x[kGroups];
  float largest = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 4 * static_cast<int>(threadIdx.x + group * kRowThreads);
    if (at >= width) continue;
    const float4 v = Load4(in + row * width + at);
    x[group] = {Gelu(v.x), Gelu(v.y), Gelu(v.z), Gelu(v.w)};
    largest = fmaxf(largest, LargestMagnitude(x[group]));
  }
  const float scale = fmaxf(LargestOverRow(largest) / kFloat8Largest, 1e-12f);
  if (threadIdx.x == 0) out_scale[row] = scale;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 4 * static_cast<int>(threadIdx.x + group * kRowThreads);
    if (at < width) Store4(out + row * width + at, x[group] * (1 / scale));
  }
}

}  // namespace

void GeluQuantize(int rows, int width, const void* in, void* out, float* out_scale, Stream stream) {
  DispatchRowWidth(width, [&](auto groups) {
    GeluQuantizeRows<decltype(groups)::value><<<rows, kRowThreads, 0, stream>>>(
        width, static_cast<const __nv_bfloat16*>(in), static_cast<__nv_fp8_e4m3*>(out), out_scale);
  });
}

}  // namespace videodiffcr::kernels
