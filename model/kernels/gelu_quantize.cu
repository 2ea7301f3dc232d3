#include "model/kernels/device_math.cuh"
#include "model/kernels/gelu_quantize.h"
#include "model/kernels/launch.cuh"
#include "model/kernels/vector8.cuh"

namespace videodiffcr::kernels {
namespace {

// The hardware's tanh: its error of 2^-11 is far below the 2^-4 of the result's type, and one operation of the special
// function unit instead of two is what this kernel's time hangs on.
__device__ __forceinline__ float Gelu(float x) {
  const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
  float tanh_u;
  asm("tanh.approx.f32 %0, %1;" : "=f"(tanh_u) : "f"(u));
  return 0.5f * x * (1.0f + tanh_u);
}

// One block per row; a thread holds kGroups groups of eight values.
template <int kThreads, int kGroups>
__global__ void __launch_bounds__(kThreads)
    GeluQuantizeRows(int width, const __nv_bfloat16* in, __nv_fp8_e4m3* out, float* out_scale) {
  WaitForKernelBefore();
  const int64_t row = blockIdx.x;
  Vector8 x[kGroups];
  float largest = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 8 * static_cast<int>(threadIdx.x + group * kThreads);
    if (at >= width) continue;
    x[group] = Load8(in + row * width + at);
#pragma unroll
    for (float& value : x[group].values) {
      value = Gelu(value);
      largest = fmaxf(largest, fabsf(value));
    }
  }
  const float scale = fmaxf(LargestOverRow<kThreads>(largest) / kFloat8Largest, 1e-12f);
  if (threadIdx.x == 0) out_scale[row] = scale;
  const float shrink = 1 / scale;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = 8 * static_cast<int>(threadIdx.x + group * kThreads);
    if (at >= width) continue;
#pragma unroll
    for (float& value : x[group].values) value *= shrink;
    Store8(out + row * width + at, x[group]);
  }
}

template <int kThreads, int kGroups>
void Launch(const GeluQuantizeCall& call, Stream stream) {
  LaunchEarly(GeluQuantizeRows<kThreads, kGroups>, call.rows, kThreads, 0, stream, call.width,
              static_cast<const __nv_bfloat16*>(call.in), static_cast<__nv_fp8_e4m3*>(call.out), call.out_scale);
}

}  // namespace

// Three groups a thread measured best for rows of 8960 values: 27 us for 3276 of them, where five groups took 34 and
// two 32.
void GeluQuantize(const GeluQuantizeCall& call, Stream stream) {
  if (call.width <= 8 * 128) return Launch<128, 1>(call, stream);
  if (call.width <= 3 * 8 * 384) return Launch<384, 3>(call, stream);
  Launch<384, 4>(call, stream);
}

}  // namespace videodiffcr::kernels
