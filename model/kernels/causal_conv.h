// Convolution of channels-last frames over time, rows and columns on Hopper's tensor cores (CUTLASS's implicit GEMM),
// with bias, residual and activation added before the one rounding (wan_vae.md sections 3 and 9). It never looks ahead:
// the frames that the kernel looks back on lie before the new ones in the input. A 2-D convolution of independent
// frames has kernel_frames 1.
//
//   output[z, y, x, k] = act(bias[k] + residual[z, y, x, k]
//       + sum over t, r, s, c of input[z + t, y + r - pad_rows, x + s - pad_columns, c] weight[k, t, r, s, c])
//
// with zeros for rows and columns outside the input.
//
// Promise: products of the elements are exact, sums are fp32 in an order that depends on the shape alone, and each
// value is rounded once. The same call gives the same bits, whatever else runs.
#ifndef VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_H_
#define VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct CausalConvCall {
  Element element = Element::kBfloat16;  // kBfloat16 or kFloat16: of input, weight, residual and output

  int frames = 0, height = 0, width = 0, in_channels = 0;  // input, contiguous
  int kernel_frames = 1, kernel_rows = 1, kernel_columns = 1;
  int pad_rows = 0, pad_columns = 0;  // zeros above and to the left; how many below and right follows from the output
  int out_height = 0, out_width = 0;  // of the output, which has frames - kernel_frames + 1 frames
  int out_channels = 0;

  const void* input = nullptr;     // [frames, height, width, in_channels]
  const void* weight = nullptr;    // [out_channels, kernel_frames, kernel_rows, kernel_columns, in_channels]
  const float* bias = nullptr;     // [out_channels]; null: none
  const void* residual = nullptr;  // where the output is, or elsewhere with the same strides; null: none
  void* output = nullptr;          // channels side by side; the other strides, in values:
  int64_t frame_stride = 0, row_stride = 0, column_stride = 0;
  bool relu = false;

  int out_frames() const { return frames - kernel_frames + 1; }
};

// What a tile of the device kernel covers, and how many input channels it takes at a time; more tiles, and more steps,
// do the rest.
struct CausalConvTileShape {
  int positions = 0;
  int channels = 0;
  int depth = 0;
};
inline constexpr CausalConvTileShape kCausalConvTiles[] = {
    {256, 64, 64}, {256, 96, 32}, {128, 128, 64}, {128, 192, 64}};

// Channels of the tile that keeps `processors` multiprocessors busiest with useful work: a pure function. `positions`:
// output frames times rows times columns.
int ChooseCausalConvTile(int64_t positions, int in_channels, int out_channels, int processors);

// Whether the device kernel takes such channel counts: multiples of 8, so that 16 bytes never straddle a position.
inline bool CausalConvTakes(int64_t in_channels, int64_t out_channels) {
  return in_channels > 0 && out_channels > 0 && in_channels % 8 == 0 && out_channels % 8 == 0;
}

// Queues the convolution. False, with nothing queued, when the kernel refuses the call: a channel count that
// CausalConvTakes() does not, strides that are no multiples of 8 values or pointers that are not of 16 bytes.
bool CausalConv(const CausalConvCall& call, Stream stream);

// The same on host memory in plain fp32 loops: every pointer is to floats.
void PlainCausalConv(const CausalConvCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_H_
