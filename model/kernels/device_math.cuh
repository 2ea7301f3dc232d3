// Small device functions that more than one kernel family needs.
#ifndef VIDEODIFFCR_MODEL_KERNELS_DEVICE_MATH_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_DEVICE_MATH_CUH_

#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <type_traits>

namespace videodiffcr::kernels {

inline constexpr int kRowThreads = 128;       // threads that share a row
inline constexpr float kFloat8Largest = 448;  // e4m3

struct alignas(4) Float8x4 {
  __nv_fp8_storage_t values[4];
};
struct alignas(8) Bfloat16x4 {
  __nv_bfloat162 low, high;
};

__device__ __forceinline__ float4 Load4(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ __forceinline__ float4 Load4(const __nv_bfloat16* from) {
  const Bfloat16x4 packed = *reinterpret_cast<const Bfloat16x4*>(from);
  const float2 low = __bfloat1622float2(packed.low), high = __bfloat1622float2(packed.high);
  return {low.x, low.y, high.x, high.y};
}
__device__ __forceinline__ void Store4(float* to, float4 v) { *reinterpret_cast<float4*>(to) = v; }
__device__ __forceinline__ void Store4(__nv_bfloat16* to, float4 v) {
  *reinterpret_cast<Bfloat16x4*>(to) = {__floats2bfloat162_rn(v.x, v.y), __floats2bfloat162_rn(v.z, v.w)};
}
__device__ __forceinline__ void Store4(__nv_fp8_e4m3* to, float4 v) {
  const auto narrow = [](float x) { return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3); };
  *reinterpret_cast<Float8x4*>(to) = {{narrow(v.x), narrow(v.y), narrow(v.z), narrow(v.w)}};
}

__device__ __forceinline__ float4 operator*(float4 a, float4 b) { return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w}; }
__device__ __forceinline__ float4 operator*(float4 a, float b) { return {a.x * b, a.y * b, a.z * b, a.w * b}; }
__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }
__device__ __forceinline__ float4 operator-(float4 a, float b) { return {a.x - b, a.y - b, a.z - b, a.w - b}; }
__device__ __forceinline__ float Sum(float4 v) { return (v.x + v.y) + (v.z + v.w); }
__device__ __forceinline__ float LargestMagnitude(float4 v) {
  return fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
}

// Both over the kRowThreads threads of a block; every thread gets the result, in the same order of additions each time.
template <typename Combine>
__device__ __forceinline__ float ReduceRow(float value, Combine combine) {
  __shared__ float of_warp[kRowThreads / 32];
  for (int offset = 16; offset > 0; offset /= 2) value = combine(value, __shfl_xor_sync(0xFFFFFFFF, value, offset));
  __syncthreads();  // the last call's readers are done
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = of_warp[0];
  for (int warp = 1; warp < kRowThreads / 32; ++warp) value = combine(value, of_warp[warp]);
  return value;
}
__device__ __forceinline__ float SumOverRow(float value) {
  return ReduceRow(value, [](float a, float b) { return a + b; });
}
__device__ __forceinline__ float LargestOverRow(float value) {
  return ReduceRow(value, [](float a, float b) { return fmaxf(a, b); });
}

// Calls function(integral_constant V) with the smallest V of the list such that kRowThreads threads with V groups of
// four values each hold a row of `width` values.
template <typename Function>
void DispatchRowWidth(int width, Function function) {
  const int groups = (width / 4 + kRowThreads - 1) / kRowThreads;
  if (groups <= 1) return function(std::integral_constant<int, 1>());
  if (groups <= 3) return function(std::integral_constant<int, 3>());
  if (groups <= 10) return function(std::integral_constant<int, 10>());
  function(std::integral_constant<int, 20>());
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_DEVICE_MATH_CUH_
