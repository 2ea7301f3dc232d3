// The second half of a convolution with few outputs. A matrix product has already given every input position its share
// in each tap's outputs; what is left is to add up, for every output position, the shares of its neighbourhood
// (wan_vae.md sections 4 and 9: the last convolution of both decoders, three outputs).
//
//   output[z, c, y, x] = clamp(scale * (bias[c] + sum over t, r, s of shares[z + t, y + r - R/2, x + s - S/2, tap, c])
//                              + offset, 0, 1)
//
// with tap = (t * R + r) * S + s, and zeros for rows and columns outside.
//
// Promise: fp32 sums in the order of the taps.
#ifndef VIDEODIFFCR_MODEL_KERNELS_TAP_SUM_H_
#define VIDEODIFFCR_MODEL_KERNELS_TAP_SUM_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

inline constexpr int kTapColours = 3;
inline constexpr int kTapPitch = 4;  // values from tap to tap, the last unused: 8 bytes load at once

struct TapSumCall {
  Element element = Element::kBfloat16;   // of the shares: kBfloat16 or kFloat16
  int frames = 0, height = 0, width = 0;  // of the shares
  int kernel_frames = 1, kernel_rows = 3, kernel_columns = 3;
  int pitch = 0;                 // values from position to position, a multiple of 4, at least kTapPitch * taps
  const void* shares = nullptr;  // [frames, height, width, pitch]
  float bias[kTapColours] = {};
  float scale = 1, offset = 0;
  float* output = nullptr;  // [frames - kernel_frames + 1, 3, height, width]

  int out_frames() const { return frames - kernel_frames + 1; }
};

void TapSum(const TapSumCall& call, Stream stream);

// The same on host memory; the shares are floats.
void PlainTapSum(const TapSumCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_TAP_SUM_H_
