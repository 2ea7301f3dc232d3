// Eight values at a time between memory and fp32 registers: 16 bytes of a 16-bit type, twice that of floats, 8 of an
// 8-bit one.
#ifndef VIDEODIFFCR_MODEL_KERNELS_VECTOR8_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_VECTOR8_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

namespace videodiffcr::kernels {

struct Vector8 {
  float values[8];
};

template <typename Pair>
struct alignas(16) PackedPairs {
  Pair pairs[4];
};

template <typename Pair, typename ToFloats>
__device__ __forceinline__ Vector8 LoadPairs(const void* from, ToFloats to_floats) {
  const auto packed = *static_cast<const PackedPairs<Pair>*>(from);
  Vector8 v;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = to_floats(packed.pairs[i]);
    v.values[2 * i] = pair.x;
    v.values[2 * i + 1] = pair.y;
  }
  return v;
}
__device__ __forceinline__ Vector8 Load8(const __nv_bfloat16* from) {
  return LoadPairs<__nv_bfloat162>(from, [](__nv_bfloat162 pair) { return __bfloat1622float2(pair); });
}
__device__ __forceinline__ Vector8 Load8(const __half* from) {
  return LoadPairs<__half2>(from, [](__half2 pair) { return __half22float2(pair); });
}
__device__ __forceinline__ Vector8 Load8(const float* from) {
  const float4 low = reinterpret_cast<const float4*>(from)[0], high = reinterpret_cast<const float4*>(from)[1];
  return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

template <typename Pair, typename ToPair>
__device__ __forceinline__ void StorePairs(void* to, const Vector8& v, ToPair to_pair) {
  PackedPairs<Pair> packed;
#pragma unroll
  for (int i = 0; i < 4; ++i) packed.pairs[i] = to_pair(v.values[2 * i], v.values[2 * i + 1]);
  *static_cast<PackedPairs<Pair>*>(to) = packed;
}
__device__ __forceinline__ void Store8(__nv_bfloat16* to, const Vector8& v) {
  StorePairs<__nv_bfloat162>(to, v, [](float a, float b) { return __floats2bfloat162_rn(a, b); });
}
__device__ __forceinline__ void Store8(__half* to, const Vector8& v) {
  StorePairs<__half2>(to, v, [](float a, float b) { return __floats2half2_rn(a, b); });
}
// Saturates.
__device__ __forceinline__ void Store8(__nv_fp8_e4m3* to, const Vector8& v) {
  alignas(8)
      const __nv_fp8x4_e4m3 halves[2] = {__nv_fp8x4_e4m3(float4{v.values[0], v.values[1], v.values[2], v.values[3]}),
                                         __nv_fp8x4_e4m3(float4{v.values[4], v.values[5], v.values[6], v.values[7]})};
  *reinterpret_cast<uint2*>(to) = *reinterpret_cast<const uint2*>(halves);
}
__device__ __forceinline__ void Store8(float* to, const Vector8& v) {
  reinterpret_cast<float4*>(to)[0] = {v.values[0], v.values[1], v.values[2], v.values[3]};
  reinterpret_cast<float4*>(to)[1] = {v.values[4], v.values[5], v.values[6], v.values[7]};
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_VECTOR8_CUH_
