#include "server/media/raw_encoder.h"

#include <cstdint>
#include <utility>

namespace videodiffcr {

RawEncoder::RawEncoder(const EncoderConfig& config)
    : format_(config.output.codec == VideoCodec::kRawRgb24 ? PixelFormat::kRgb24 : PixelFormat::kYuv420p),
      width_(config.width),
      height_(config.height),
      converter_(config.width, config.height) {}

absl::Status RawEncoder::EncodePart(const FrameChunk& chunk, int begin, int frames, EncodedChunk* encoded) {
  if (absl::Status status = CheckFrameChunk(chunk, width_, height_); !status.ok()) return status;
  const size_t from_bytes = FrameBytes(chunk.format, width_, height_);
  const size_t to_bytes = FrameBytes(format_, width_, height_);
  encoded->payload.resize(to_bytes * static_cast<size_t>(begin + frames));
  auto* payload = reinterpret_cast<uint8_t*>(encoded->payload.data());
  for (int frame = begin; frame < begin + frames; ++frame) {
    const uint8_t* planes[4];
    int strides[4];
    DescribeFrame(format_, width_, height_, payload + frame * to_bytes, planes, strides);
    uint8_t* const writable[4] = {const_cast<uint8_t*>(planes[0]), const_cast<uint8_t*>(planes[1]),
                                  const_cast<uint8_t*>(planes[2]), nullptr};
    const uint8_t* from = chunk.pixels.data() + frame * from_bytes;
    if (absl::Status status = converter_.Convert(chunk.format, from, format_, writable, strides); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
