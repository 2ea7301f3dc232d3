#include "model/kernels/channel_norm.h"

#include <cuda_runtime.h>

#include "model/kernels/vector8.cuh"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kMostBlocks = 132 * 8;  // enough to fill the processors; each block takes many positions in turn

// 2^`lane_bits` neighbouring lanes share a position; each holds kVectors groups of eight channels.
template <typename T, int kVectors>
__global__ void __launch_bounds__(kThreads) NormPositions(ChannelNormCall call, int lane_bits) {
  const int lanes = 1 << lane_bits, lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const int64_t step = (int64_t{gridDim.x} * kThreads) >> lane_bits;
  const float root = sqrtf(static_cast<float>(call.channels));
  __shared__ __align__(16) float gain[kMostNormChannels];
  for (int channel = static_cast<int>(threadIdx.x); channel < call.channels; channel += kThreads) {
    gain[channel] = call.gain[channel];
  }
  __syncthreads();
  // Lanes of a warp that have no position any more still take part in its shuffles.
  const int64_t warp_position = (int64_t{blockIdx.x} * kThreads + (threadIdx.x & ~31u)) >> lane_bits;
  int64_t position = (int64_t{blockIdx.x} * kThreads + threadIdx.x) >> lane_bits;
  for (int64_t first = warp_position; first < call.positions; first += step, position += step) {
    const bool inside = position < call.positions;
    Vector8 x[kVectors];
    float squares = 0;
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int channel = 8 * (lane + (i << lane_bits));
      if (!inside || channel >= call.channels) continue;
      x[i] = Load8(static_cast<const T*>(call.input) + position * call.channels + channel);
#pragma unroll
      for (int j = 0; j < 8; ++j) squares += x[i].values[j] * x[i].values[j];
    }
    for (int offset = lanes / 2; offset > 0; offset /= 2) squares += __shfl_xor_sync(0xFFFFFFFF, squares, offset);
    const float scale = root / fmaxf(sqrtf(squares), 1e-12f);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int channel = 8 * (lane + (i << lane_bits));
      if (!inside || channel >= call.channels) continue;
      const Vector8 g = Load8(gain + channel);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const float y = x[i].values[j] * scale * g.values[j];
        x[i].values[j] = call.silu ? __fdividef(y, 1.0f + __expf(-y)) : y;
      }
      Store8(static_cast<T*>(call.output) + position * call.channels + channel, x[i]);
    }
  }
}

template <typename T, int kVectors>
void Launch(const ChannelNormCall& call, int lane_bits, Stream stream) {
  const int64_t wanted = ((call.positions << lane_bits) + kThreads - 1) / kThreads;
  const auto blocks = static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks);
  NormPositions<T, kVectors><<<blocks, kThreads, 0, stream>>>(call, lane_bits);
}

template <typename T>
void Dispatch(const ChannelNormCall& call, Stream stream) {
  const int vectors = call.channels / 8;
  // At most three vectors in each lane where that is to be had: enough loads in flight, few registers.
  int lane_bits = 0;
  while (lane_bits < 5 && 3 << lane_bits < vectors) ++lane_bits;
  const int each = (vectors + (1 << lane_bits) - 1) >> lane_bits;
  if (each == 1) return Launch<T, 1>(call, lane_bits, stream);
  if (each == 2) return Launch<T, 2>(call, lane_bits, stream);
  if (each == 3) return Launch<T, 3>(call, lane_bits, stream);
  Launch<T, 4>(call, lane_bits, stream);
}

}  // namespace

bool ChannelNorm(const ChannelNormCall& call, Stream stream) {
  if (!ChannelNormTakes(call.channels)) return false;
  if (call.positions == 0) return true;
  switch (call.element) {
    case Element::kFloat32:
      Dispatch<float>(call, stream);
      return true;
    case Element::kBfloat16:
      Dispatch<__nv_bfloat16>(call, stream);
      return true;
    case Element::kFloat16:
      Dispatch<__half>(call, stream);
      return true;
    default:
      return false;
  }
}

}  // namespace videodiffcr::kernels
