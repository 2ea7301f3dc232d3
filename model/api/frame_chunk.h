// Frames of one chunk in host memory: what the model hands to the encoder.
#ifndef VIDEODIFFCR_MODEL_API_FRAME_CHUNK_H_
#define VIDEODIFFCR_MODEL_API_FRAME_CHUNK_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace videodiffcr {

enum class PixelFormat {
  kRgb24,    // interleaved 8-bit R, G, B
  kYuv420p,  // planar 8-bit Y, U, V, BT.601 limited range, chroma halved both ways
};

struct FrameChunk {
  PixelFormat format = PixelFormat::kRgb24;
  int width = 0;        // pixels
  int height = 0;       // pixels
  int frame_count = 0;  // frames, in playing order
  // kRgb24: [frame_count, height, width, 3]; kYuv420p: per frame [height, width] then twice [height/2, width/2].
  std::vector<uint8_t> pixels;
  // Part of the time in VideoModel::Decode(): asleep until the chunk's last pass was done. Zero where Run() returns no
  // earlier than that.
  absl::Duration waited_for_latents = absl::ZeroDuration();
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_API_FRAME_CHUNK_H_
