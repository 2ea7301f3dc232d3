// The norm between two convolutions of Wan's autoencoder, with the activation after it, in one pass over memory
// (wan_vae.md section 3): out = act(x / max(|x|, 1e-12) sqrt(channels) gain) for every position, |x| over its channels.
//
// Promise: fp32 arithmetic, rounded once to the element type; sums in an order that depends on the channels alone.
#ifndef VIDEODIFFCR_MODEL_KERNELS_CHANNEL_NORM_H_
#define VIDEODIFFCR_MODEL_KERNELS_CHANNEL_NORM_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

// Channels are multiples of 8, at most this many.
inline constexpr int kMostNormChannels = 1024;

struct ChannelNormCall {
  Element element = Element::kBfloat16;  // kFloat32, kBfloat16 or kFloat16: of input and output
  int64_t positions = 0;
  int channels = 0;
  const void* input = nullptr;  // [positions, channels]
  const float* gain = nullptr;  // [channels]
  bool silu = true;             // false: no activation
  void* output = nullptr;       // [positions, channels]; may be the input
};

inline bool ChannelNormTakes(int64_t channels) {
  return channels > 0 && channels % 8 == 0 && channels <= kMostNormChannels;
}

// False, with nothing queued, unless ChannelNormTakes() the channels.
bool ChannelNorm(const ChannelNormCall& call, Stream stream);

// The same on host memory: every pointer is to floats.
void PlainChannelNorm(const ChannelNormCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_CHANNEL_NORM_H_
