// Decoded frames to the bytes that an encoder takes (model/api/frame_chunk.h), where the frames are.
//
// kYuv420p is BT.601, limited range. Chroma is the mean of two columns and, over rows, of the four nearest with weights
// 1, 3, 3, 1 (rows beyond the edge repeat it): what libswscale's bilinear RGB24 to YUV420P does, so that a frame looks
// the same whichever way it went.
//
// Promise: fp32 arithmetic, rounded once to the nearest byte; within one level of the plain reference, and within two
// of libswscale fed with the bytes of RGB24.
#ifndef VIDEODIFFCR_MODEL_KERNELS_FRAME_CONVERSION_H_
#define VIDEODIFFCR_MODEL_KERNELS_FRAME_CONVERSION_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct FrameConversionCall {
  Element element = Element::kFloat32;  // kFloat32, kBfloat16 or kFloat16
  int frames = 0, height = 0, width = 0;
  const void* pixels = nullptr;  // [frames, 3, height, width] in [0, 1], clamped here; strides in values:
  int64_t frame_stride = 0, colour_stride = 0, row_stride = 0, column_stride = 0;
  // kRgb24: [frames, height, width, 3]; kYuv420p: per frame [height, width] and twice [height / 2, width / 2].
  uint8_t* bytes = nullptr;
};

void ToRgb24(const FrameConversionCall& call, Stream stream);

// Height and width are even.
void ToYuv420p(const FrameConversionCall& call, Stream stream);

// The same on host memory; pixels are floats.
void PlainToRgb24(const FrameConversionCall& call);
void PlainToYuv420p(const FrameConversionCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_FRAME_CONVERSION_H_
