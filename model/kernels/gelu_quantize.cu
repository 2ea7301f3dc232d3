#include "model/kernels/device_math.cuh"
#include "model/kernels/gelu_quantize.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kGroups = 5;  // of eight values: rows of up to 10240

// The hardware's tanh: its error of 2^-11 is far below the 2^-4 of the result's type, and one operation of the special
// function unit instead of two is what this kernel's time hangs on.
__device__ __forceinline__ float Gelu(float x) {
  const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
  float tanh_u;
  asm("tanh.approx.f32 %0, %1;" : "=f"(tanh_u) : "f"(u));
  return 0.5f * x * (1.0f + tanh_u);
}
__device__ __forceinline__ float4 Gelu(float4 v) { return {Gelu(v.x), Gelu(v.y), Gelu(v.z), Gelu(v.w)}; }

// One block per row.
__global__ void __launch_bounds__(kThreads)
    GeluQuantizeRows(int width, const __nv_bfloat16* in, __nv_fp8_e4m3* out, float* out_scale) {
  const int64_t row = blockIdx.x;
  EightFloats x[kGroups];
  float largest = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 8 * static_cast<int>(threadIdx.x + group * kThreads);
    if (at >= width) continue;
    const EightFloats v = Load8(in + row * width + at);
    x[group] = {Gelu(v.low), Gelu(v.high)};
    largest = fmaxf(largest, fmaxf(LargestMagnitude(x[group].low), LargestMagnitude(x[group].high)));
  }
  const float scale = fmaxf(LargestOverRow<kThreads>(largest) / kFloat8Largest, 1e-12f);
  if (threadIdx.x == 0) out_scale[row] = scale;
  const float shrink = 1 / scale;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 8 * static_cast<int>(threadIdx.x + group * kThreads);
    if (at < width) Store8(out + row * width + at, {x[group].low * shrink, x[group].high * shrink});
  }
}

}  // namespace

void GeluQuantize(int rows, int width, const void* in, void* out, float* out_scale, Stream stream) {
  GeluQuantizeRows<<<rows, kThreads, 0, stream>>>(width, static_cast<const __nv_bfloat16*>(in),
                                                  static_cast<__nv_fp8_e4m3*>(out), out_scale);
}

}  // namespace videodiffcr::kernels
