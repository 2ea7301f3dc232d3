#include <algorithm>

#include "model/kernels/colour_matrix.h"
#include "model/kernels/frame_conversion.h"

namespace videodiffcr::kernels {
namespace {

Colour PixelAt(const FrameConversionCall& call, int frame, int row, int column) {
  const float* at = static_cast<const float*>(call.pixels) + frame * call.frame_stride + row * call.row_stride +
                    column * call.column_stride;
  const auto value = [&](int colour) { return std::clamp(at[colour * call.colour_stride], 0.0f, 1.0f); };
  return {value(0), value(1), value(2)};
}

uint8_t Rounded(float level) { return static_cast<uint8_t>(level + 0.5f); }

// Of the chroma place (row, column), each from a square of 2 x 4 pixels.
Colour ChromaColour(const FrameConversionCall& call, int frame, int row, int column) {
  Colour mean;
  for (int i = 0; i < 4; ++i) {
    const int y = std::clamp(2 * row - 1 + i, 0, call.height - 1);
    for (int x = 2 * column; x < 2 * column + 2; ++x) {
      const Colour pixel = PixelAt(call, frame, y, x);
      const float weight = 0.5f * ChromaRowWeight(i);
      mean.red += weight * pixel.red;
      mean.green += weight * pixel.green;
      mean.blue += weight * pixel.blue;
    }
  }
  return mean;
}

}  // namespace

void PlainToRgb24(const FrameConversionCall& call) {
  uint8_t* out = call.bytes;
  for (int frame = 0; frame < call.frames; ++frame) {
    for (int row = 0; row < call.height; ++row) {
      for (int column = 0; column < call.width; ++column) {
        const Colour pixel = PixelAt(call, frame, row, column);
        for (const float value : {pixel.red, pixel.green, pixel.blue}) *out++ = Rounded(255.0f * value);
      }
    }
  }
}

void PlainToYuv420p(const FrameConversionCall& call) {
  uint8_t* out = call.bytes;
  for (int frame = 0; frame < call.frames; ++frame) {
    for (int row = 0; row < call.height; ++row) {
      for (int column = 0; column < call.width; ++column) *out++ = Rounded(LumaOf(PixelAt(call, frame, row, column)));
    }
    for (const auto& difference : {BlueDifferenceOf, RedDifferenceOf}) {
      for (int row = 0; row < call.height / 2; ++row) {
        for (int column = 0; column < call.width / 2; ++column) {
          *out++ = Rounded(difference(ChromaColour(call, frame, row, column)));
        }
      }
    }
  }
}

}  // namespace videodiffcr::kernels
