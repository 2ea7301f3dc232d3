// Pixel formats into one another: BT.601, limited range on the YUV side, the same bytes on every machine.
#ifndef VIDEODIFFCR_SERVER_MEDIA_FRAME_CONVERTER_H_
#define VIDEODIFFCR_SERVER_MEDIA_FRAME_CONVERTER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "media/av_handles.h"
#include "model/api/frame_chunk.h"

namespace videodiffcr {

// Bytes of one frame as FrameChunk packs it. `width` and `height` in pixels, even for kYuv420p.
constexpr size_t FrameBytes(PixelFormat format, int width, int height) {
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  return format == PixelFormat::kRgb24 ? pixels * 3 : pixels + pixels / 2;
}

// InvalidArgument unless the chunk has frames of `width` x `height` pixels and exactly the bytes that they need.
absl::Status CheckFrameChunk(const FrameChunk& chunk, int width, int height);

// Points `planes` and `strides` (four each, as FFmpeg wants them) at a frame packed as in FrameChunk.
void DescribeFrame(PixelFormat format, int width, int height, const uint8_t* pixels, const uint8_t* planes[4],
                   int strides[4]);

// One thread at a time.
class FrameConverter {
 public:
  FrameConverter(int width, int height) : width_(width), height_(height) {}

  // One frame of `from_format`, packed as in FrameChunk, into the planes of a frame of `to_format`. Copies when the
  // formats are equal. Internal when FFmpeg has no such conversion.
  absl::Status Convert(PixelFormat from_format, const uint8_t* from, PixelFormat to_format, uint8_t* const planes[4],
                       const int strides[4]);

 private:
  absl::Status Prepare(PixelFormat from_format, PixelFormat to_format);

  const int width_;
  const int height_;
  // All made at the first conversion; sessions whose model gives the wanted format need none.
  UniqueScaler scaler_;
  // FFmpeg's vector instructions read, and may write, some bytes past the end of a row, the last one too. So they work
  // on frames of FFmpeg's own, which have room there; the packed ones they would leave by a page fault now and then.
  UniqueFrame padded_from_, padded_to_;
  PixelFormat scaler_from_ = PixelFormat::kRgb24;
  PixelFormat scaler_to_ = PixelFormat::kRgb24;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_FRAME_CONVERTER_H_
