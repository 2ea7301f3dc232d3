#include "server/media/frame_converter.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

extern "C" {
#include <libavutil/imgutils.h>
}

namespace videodiffcr {
namespace {

AVPixelFormat AvFormat(PixelFormat format) {
  return format == PixelFormat::kRgb24 ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUV420P;
}

absl::StatusOr<UniqueFrame> MakePaddedFrame(PixelFormat format, int width, int height) {
  UniqueFrame frame(av_frame_alloc());
  if (frame == nullptr) return absl::ResourceExhaustedError("no memory for a frame to convert");
  frame->format = AvFormat(format);
  frame->width = width;
  frame->height = height;
  if (av_frame_get_buffer(frame.get(), /*align=*/0) < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a frame of ", width, "x", height, " pixels to convert"));
  }
  return frame;
}

}  // namespace

absl::Status CheckFrameChunk(const FrameChunk& chunk, int width, int height) {
  if (chunk.width != width || chunk.height != height) {
    return absl::InvalidArgumentError(absl::StrCat("chunk has frames of ", chunk.width, "x", chunk.height,
                                                   " pixels; the encoder was made for ", width, "x", height));
  }
  if (chunk.frame_count < 1) {
    return absl::InvalidArgumentError(absl::StrCat("chunk has ", chunk.frame_count, " frames; it needs at least 1"));
  }
  const size_t wanted = FrameBytes(chunk.format, width, height) * static_cast<size_t>(chunk.frame_count);
  if (chunk.pixels.size() != wanted) {
    return absl::InvalidArgumentError(absl::StrCat("chunk has ", chunk.pixels.size(), " bytes of pixels; ",
                                                   chunk.frame_count, " frames need ", wanted));
  }
  return absl::OkStatus();
}

void DescribeFrame(PixelFormat format, int width, int height, const uint8_t* pixels, const uint8_t* planes[4],
                   int strides[4]) {
  for (int plane = 0; plane < 4; ++plane) {
    planes[plane] = nullptr;
    strides[plane] = 0;
  }
  planes[0] = pixels;
  if (format == PixelFormat::kRgb24) {
    strides[0] = width * 3;
    return;
  }
  const size_t luma = static_cast<size_t>(width) * static_cast<size_t>(height);
  planes[1] = pixels + luma;
  planes[2] = pixels + luma + luma / 4;
  strides[0] = width;
  strides[1] = strides[2] = width / 2;
}

absl::Status FrameConverter::Prepare(PixelFormat from_format, PixelFormat to_format) {
  absl::StatusOr<UniqueFrame> from = MakePaddedFrame(from_format, width_, height_);
  if (!from.ok()) return from.status();
  absl::StatusOr<UniqueFrame> to = MakePaddedFrame(to_format, width_, height_);
  if (!to.ok()) return to.status();
  // Bit-exact: without it the rounding, and so the encoded bytes, would depend on the processor's vector instructions.
  constexpr int kFlags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT;
  scaler_.reset(sws_getContext(width_, height_, AvFormat(from_format), width_, height_, AvFormat(to_format), kFlags,
                               nullptr, nullptr, nullptr));
  // FFmpeg has these conversions, so it is memory that it lacks.
  if (scaler_ == nullptr) return absl::ResourceExhaustedError("no memory for the conversion of frames");
  const int* bt601 = sws_getCoefficients(SWS_CS_ITU601);
  constexpr int kFull = 1, kLimited = 0, kNeutralContrast = 1 << 16;
  const int from_range = from_format == PixelFormat::kRgb24 ? kFull : kLimited;
  const int to_range = to_format == PixelFormat::kRgb24 ? kFull : kLimited;
  if (sws_setColorspaceDetails(scaler_.get(), bt601, from_range, bt601, to_range, 0, kNeutralContrast,
                               kNeutralContrast) < 0) {
    return absl::InternalError("FFmpeg refused BT.601 coefficients for this conversion");
  }
  padded_from_ = *std::move(from);
  padded_to_ = *std::move(to);
  scaler_from_ = from_format;
  scaler_to_ = to_format;
  return absl::OkStatus();
}

absl::Status FrameConverter::Convert(PixelFormat from_format, const uint8_t* from, PixelFormat to_format,
                                     uint8_t* const planes[4], const int strides[4]) {
  const uint8_t* from_planes[4];
  int from_strides[4];
  DescribeFrame(from_format, width_, height_, from, from_planes, from_strides);
  if (from_format == to_format) {
    uint8_t* to_planes[4] = {planes[0], planes[1], planes[2], planes[3]};
    av_image_copy(to_planes, const_cast<int*>(strides), from_planes, from_strides, AvFormat(to_format), width_,
                  height_);
    return absl::OkStatus();
  }
  if (scaler_ == nullptr || scaler_from_ != from_format || scaler_to_ != to_format) {
    if (absl::Status status = Prepare(from_format, to_format); !status.ok()) return status;
  }
  av_image_copy(padded_from_->data, padded_from_->linesize, from_planes, from_strides, AvFormat(from_format), width_,
                height_);
  const int rows = sws_scale(scaler_.get(), padded_from_->data, padded_from_->linesize, 0, height_, padded_to_->data,
                             padded_to_->linesize);
  if (rows != height_) {
    return absl::InternalError(absl::StrCat("FFmpeg converted ", rows, " of ", height_, " rows of a frame"));
  }
  uint8_t* to_planes[4] = {planes[0], planes[1], planes[2], planes[3]};
  const uint8_t* converted[4] = {padded_to_->data[0], padded_to_->data[1], padded_to_->data[2], padded_to_->data[3]};
  av_image_copy(to_planes, const_cast<int*>(strides), converted, padded_to_->linesize, AvFormat(to_format), width_,
                height_);
  return absl::OkStatus();
}

}  // namespace videodiffcr
