// Small device functions that more than one kernel family needs.
#ifndef VIDEODIFFCR_MODEL_KERNELS_DEVICE_MATH_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_DEVICE_MATH_CUH_

#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <type_traits>

namespace videodiffcr::kernels {

inline constexpr float kFloat8Largest = 448;  // e4m3

struct alignas(8) Bfloat16x4 {
  __nv_bfloat162 low, high;
};

// Four values as they lie in memory, for loads that are used much later: half the registers of a float4 in bfloat16.
template <typename T>
using Packed4 = std::conditional_t<sizeof(T) == 4, float4, Bfloat16x4>;
template <typename T>
__device__ __forceinline__ Packed4<T> LoadPacked4(const T* from) {
  return *reinterpret_cast<const Packed4<T>*>(from);
}
__device__ __forceinline__ float4 Unpack4(float4 v) { return v; }
__device__ __forceinline__ float4 Unpack4(Bfloat16x4 v) {
  const float2 low = __bfloat1622float2(v.low), high = __bfloat1622float2(v.high);
  return {low.x, low.y, high.x, high.y};
}

__device__ __forceinline__ float4 Load4(const float* from) { return LoadPacked4(from); }
__device__ __forceinline__ float4 Load4(const __nv_bfloat16* from) { return Unpack4(LoadPacked4(from)); }
__device__ __forceinline__ void Store4(float* to, float4 v) { *reinterpret_cast<float4*>(to) = v; }
__device__ __forceinline__ void Store4(__nv_bfloat16* to, float4 v) {
  *reinterpret_cast<Bfloat16x4*>(to) = {__floats2bfloat162_rn(v.x, v.y), __floats2bfloat162_rn(v.z, v.w)};
}
__device__ __forceinline__ void Store4(__nv_fp8_e4m3* to, float4 v) {
  *reinterpret_cast<__nv_fp8x4_e4m3*>(to) = __nv_fp8x4_e4m3(v);  // saturates
}

__device__ __forceinline__ float4 operator*(float4 a, float4 b) { return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w}; }
__device__ __forceinline__ float4 operator*(float4 a, float b) { return {a.x * b, a.y * b, a.z * b, a.w * b}; }
__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }
__device__ __forceinline__ float4 operator-(float4 a, float b) { return {a.x - b, a.y - b, a.z - b, a.w - b}; }
__device__ __forceinline__ float Sum(float4 v) { return (v.x + v.y) + (v.z + v.w); }
__device__ __forceinline__ float LargestMagnitude(float4 v) {
  return fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
}

// Combines a value of each of the kThreads threads that share a row; all of them get the result, combined in the same
// order each time. kThreads 32: a warp with a row of its own; else all threads of the block share one row.
template <int kThreads, typename Combine>
__device__ __forceinline__ float ReduceRow(float value, Combine combine) {
  for (int offset = 16; offset > 0; offset /= 2) value = combine(value, __shfl_xor_sync(0xFFFFFFFF, value, offset));
  if constexpr (kThreads > 32) {
    __shared__ float of_warp[kThreads / 32];
    __syncthreads();  // the last call's readers are done
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    value = of_warp[0];
    for (int warp = 1; warp < kThreads / 32; ++warp) value = combine(value, of_warp[warp]);
  }
  return value;
}
template <int kThreads>
__device__ __forceinline__ float SumOverRow(float value) {
  return ReduceRow<kThreads>(value, [](float a, float b) { return a + b; });
}
template <int kThreads>
__device__ __forceinline__ float LargestOverRow(float value) {
  return ReduceRow<kThreads>(value, [](float a, float b) { return fmaxf(a, b); });
}

// How threads share rows: threadIdx.x is a thread's place in its row, threadIdx.y the row within the block. Few values
// per thread leave room for many threads, and it is many rows in flight that keep memory busy (docs/experiments.md).
template <int kThreadsPerRow, int kGroupsPerThread>
struct RowLayout {
  static constexpr int kThreads = kThreadsPerRow;                     // of one row
  static constexpr int kGroups = kGroupsPerThread;                    // groups of four values that a thread holds
  static constexpr int kRows = kThreads >= 128 ? 1 : 128 / kThreads;  // of one block
  static constexpr int kBlockThreads = kRows * kThreads;
  static dim3 grid(int rows) { return dim3((rows + kRows - 1) / kRows); }
  static dim3 block() { return dim3(kThreads, kRows); }
  // First value of a group of this thread.
  __device__ static int column(int group) { return 4 * (static_cast<int>(threadIdx.x) + group * kThreads); }
  __device__ static int row() { return static_cast<int>(blockIdx.x) * kRows + static_cast<int>(threadIdx.y); }
};

// A thread's values of a row, [width] from `out` on.
template <typename Layout, typename Out>
__device__ __forceinline__ void StoreRow(const float4 (&values)[Layout::kGroups], int width, Out* out) {
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    if (at < width) Store4(out + at, values[group]);
  }
}

// Calls function(RowLayout) with the narrowest layout that holds a row of `width` values.
template <typename Function>
void DispatchRowWidth(int width, Function function) {
  if (width <= 256) return function(RowLayout<32, 2>());
  if (width <= 1536) return function(RowLayout<128, 3>());
  if (width <= 5120) return function(RowLayout<128, 10>());
  function(RowLayout<128, 20>());
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_DEVICE_MATH_CUH_
