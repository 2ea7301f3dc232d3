#include "model/kernels/channel_norm.h"

#include <cuda_runtime.h>

#include "model/kernels/vector8.cuh"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;

// A power of two of neighbouring lanes shares a position; each lane holds kVectors groups of eight channels.
template <typename T, int kVectors>
__global__ void __launch_bounds__(kThreads)
    NormPositions(int64_t positions, int channels, int lanes, const T* input, const float* gain, bool silu, T* output) {
  const int64_t position = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const bool inside = position < positions;  // whole groups of lanes are in or out, but all take part in the shuffles
  const T* from = input + position * channels;
  Vector8 x[kVectors];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int channel = 8 * (lane + i * lanes);
    if (!inside || channel >= channels) continue;
    x[i] = Load8(from + channel);
#pragma unroll
    for (int j = 0; j < 8; ++j) squares += x[i].values[j] * x[i].values[j];
  }
  for (int offset = lanes / 2; offset > 0; offset /= 2) squares += __shfl_xor_sync(0xFFFFFFFF, squares, offset);
  const float scale = sqrtf(static_cast<float>(channels)) / fmaxf(sqrtf(squares), 1e-12f);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int channel = 8 * (lane + i * lanes);
    if (!inside || channel >= channels) continue;
    const Vector8 g = Load8(gain + channel);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float y = x[i].values[j] * scale * g.values[j];
      x[i].values[j] = silu ? y / (1.0f + __expf(-y)) : y;
    }
    Store8(output + position * channels + channel, x[i]);
  }
}

template <typename T>
void Launch(const ChannelNormCall& call, Stream stream) {
  const int vectors = call.channels / 8;
  int lanes = 1;  // at most three vectors in each lane where that is to be had: enough loads in flight, few registers
  while (lanes < 32 && lanes * 3 < vectors) lanes *= 2;
  const int64_t blocks = (call.positions * lanes + kThreads - 1) / kThreads;
  const auto launch = [&](auto kernel) {
    kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(call.positions, call.channels, lanes,
                                                                   static_cast<const T*>(call.input), call.gain,
                                                                   call.silu, static_cast<T*>(call.output));
  };
  const int each = (vectors + lanes - 1) / lanes;
  if (each == 1) return launch(NormPositions<T, 1>);
  if (each == 2) return launch(NormPositions<T, 2>);
  if (each == 3) return launch(NormPositions<T, 3>);
  launch(NormPositions<T, 4>);
}

}  // namespace

bool ChannelNorm(const ChannelNormCall& call, Stream stream) {
  if (!ChannelNormTakes(call.channels)) return false;
  if (call.positions == 0) return true;
  switch (call.element) {
    case Element::kFloat32:
      Launch<float>(call, stream);
      return true;
    case Element::kBfloat16:
      Launch<__nv_bfloat16>(call, stream);
      return true;
    case Element::kFloat16:
      Launch<__half>(call, stream);
      return true;
    default:
      return false;
  }
}

}  // namespace videodiffcr::kernels
