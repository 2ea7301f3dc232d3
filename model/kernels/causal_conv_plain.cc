#include <algorithm>

#include "model/kernels/causal_conv.h"

namespace videodiffcr::kernels {
namespace {

// Time for the same products through each tile, against the widest: measured on an H200 (docs/experiments.md).
double RelativeCost(int channels) {
  return channels == 192 ? 1.0 : channels == 128 ? 1.06 : channels == 96 ? 1.22 : 1.5;
}

float SumOfProducts(const CausalConvCall& call, int frame, int row, int column, int channel) {
  const auto* input = static_cast<const float*>(call.input);
  const auto* weight = static_cast<const float*>(call.weight);
  float sum = 0;
  for (int t = 0; t < call.kernel_frames; ++t) {
    for (int r = 0; r < call.kernel_rows; ++r) {
      for (int s = 0; s < call.kernel_columns; ++s) {
        const int y = row + r - call.pad_rows, x = column + s - call.pad_columns;
        if (y < 0 || y >= call.height || x < 0 || x >= call.width) continue;
        const int64_t from = ((int64_t{frame} + t) * call.height + y) * call.width + x;
        const int64_t tap =
            ((int64_t{channel} * call.kernel_frames + t) * call.kernel_rows + r) * call.kernel_columns + s;
        for (int c = 0; c < call.in_channels; ++c) {
          sum += input[from * call.in_channels + c] * weight[tap * call.in_channels + c];
        }
      }
    }
  }
  return sum;
}

}  // namespace

int ChooseCausalConvTile(int64_t positions, int in_channels, int out_channels, int processors) {
  const auto pieces = [](int64_t whole, int64_t piece) { return (whole + piece - 1) / piece; };
  int best = 0;
  double best_cost = 0;
  for (const CausalConvTileShape& tile : kCausalConvTiles) {
    const int64_t tiles = pieces(positions, tile.positions) * pieces(out_channels, tile.channels);
    const int64_t products = int64_t{tile.positions} * tile.channels * pieces(in_channels, tile.depth) * tile.depth;
    const double cost = static_cast<double>(pieces(tiles, processors) * products) * RelativeCost(tile.channels);
    if (best != 0 && cost >= best_cost) continue;
    best = tile.channels;
    best_cost = cost;
  }
  return best;
}

void PlainCausalConv(const CausalConvCall& call) {
  for (int frame = 0; frame < call.out_frames(); ++frame) {
    for (int row = 0; row < call.out_height; ++row) {
      for (int column = 0; column < call.out_width; ++column) {
        const int64_t place = frame * call.frame_stride + row * call.row_stride + column * call.column_stride;
        for (int channel = 0; channel < call.out_channels; ++channel) {
          float value = SumOfProducts(call, frame, row, column, channel);
          if (call.bias != nullptr) value += call.bias[channel];
          if (call.residual != nullptr) value += static_cast<const float*>(call.residual)[place + channel];
          static_cast<float*>(call.output)[place + channel] = call.relu ? std::max(value, 0.0f) : value;
        }
      }
    }
  }
}

}  // namespace videodiffcr::kernels
