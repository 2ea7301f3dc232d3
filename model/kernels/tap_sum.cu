#include "model/kernels/tap_sum.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace videodiffcr::kernels {
namespace {

constexpr int kColumns = 32, kRows = 8;  // of positions that a block adds up

struct alignas(8) Share {
  uint2 bits;
};
__device__ __forceinline__ float3 Widen(const Share& share, __nv_bfloat16) {
  const float2 low = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&share.bits.x));
  return {low.x, low.y, __bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(&share.bits.y))};
}
__device__ __forceinline__ float3 Widen(const Share& share, __half) {
  const float2 low = __half22float2(*reinterpret_cast<const __half2*>(&share.bits.x));
  return {low.x, low.y, __half2float(*reinterpret_cast<const __half*>(&share.bits.y))};
}

template <typename T>
__global__ void __launch_bounds__(kColumns* kRows) AddTaps(TapSumCall call) {
  const int column = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int row = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  const int frame = static_cast<int>(blockIdx.z);
  if (column >= call.width || row >= call.height) return;
  const T* shares = static_cast<const T*>(call.shares);
  const int64_t plane = int64_t{call.height} * call.width;
  float3 sum = {call.bias[0], call.bias[1], call.bias[2]};
  int tap = 0;
  for (int t = 0; t < call.kernel_frames; ++t) {
    for (int r = 0; r < call.kernel_rows; ++r) {
      for (int s = 0; s < call.kernel_columns; ++s, ++tap) {
        const int y = row + r - call.kernel_rows / 2, x = column + s - call.kernel_columns / 2;
        if (y < 0 || y >= call.height || x < 0 || x >= call.width) continue;
        const int64_t from = (frame + t) * plane + int64_t{y} * call.width + x;
        const float3 share = Widen(*reinterpret_cast<const Share*>(shares + from * call.pitch + kTapPitch * tap), T());
        sum.x += share.x;
        sum.y += share.y;
        sum.z += share.z;
      }
    }
  }
  float* out = call.output + frame * int64_t{kTapColours} * plane + int64_t{row} * call.width + column;
  out[0] = __saturatef(call.scale * sum.x + call.offset);
  out[plane] = __saturatef(call.scale * sum.y + call.offset);
  out[2 * plane] = __saturatef(call.scale * sum.z + call.offset);
}

}  // namespace

void TapSum(const TapSumCall& call, Stream stream) {
  const dim3 blocks((call.width + kColumns - 1) / kColumns, (call.height + kRows - 1) / kRows, call.out_frames());
  const dim3 threads(kColumns, kRows);
  if (call.element == Element::kFloat16) {
    AddTaps<__half><<<blocks, threads, 0, stream>>>(call);
  } else {
    AddTaps<__nv_bfloat16><<<blocks, threads, 0, stream>>>(call);
  }
}

}  // namespace videodiffcr::kernels
