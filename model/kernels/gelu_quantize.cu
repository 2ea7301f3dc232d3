#include "model/kernels/device_math.cuh"
#include "model/kernels/gelu_quantize.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kGroups = 5;  // of eight values: rows of up to 10240

// x sigmoid(2 u) is 0.5 x (1 + tanh(u)).
__device__ __forceinline__ float Gelu(float x) {
  const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
  return __fdividef(x, 1.0f + __expf(-2 * u));
}
__device__ __forceinline__ float4 Gelu(float4 v) { return {Gelu(v.x), Gelu(v.y), Gelu(v.z), Gelu(v.w)}; }

// One block per row.
__global__ void __launch_bounds__(kThreads)
    GeluQuantizeRows(int width, const __nv_bfloat16* in, __nv_fp8_e4m3* out, float* out_scale) {
  const int64_t row = blockIdx.x;
  float4 x[kGroups][2];
  float largest = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 8 * static_cast<int>(threadIdx.x + group * kThreads);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (at + 4 * half >= width) continue;
      x[group][half] = Gelu(Load4(in + row * width + at + 4 * half));
      largest = fmaxf(largest, LargestMagnitude(x[group][half]));
    }
  }
  const float scale = fmaxf(LargestOverRow<kThreads>(largest) / kFloat8Largest, 1e-12f);
  if (threadIdx.x == 0) out_scale[row] = scale;
  const float shrink = 1 / scale;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 8 * static_cast<int>(threadIdx.x + group * kThreads);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (at + 4 * half < width) Store4(out + row * width + at + 4 * half, x[group][half] * shrink);
    }
  }
}

}  // namespace

void GeluQuantize(int rows, int width, const void* in, void* out, float* out_scale, Stream stream) {
  GeluQuantizeRows<<<rows, kThreads, 0, stream>>>(width, static_cast<const __nv_bfloat16*>(in),
                                                  static_cast<__nv_fp8_e4m3*>(out), out_scale);
}

}  // namespace videodiffcr::kernels
