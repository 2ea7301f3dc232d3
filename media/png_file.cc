#include "media/png_file.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "media/av_handles.h"
#include "media/av_status.h"
#include "system/whole_file.h"

namespace videodiffcr {
namespace {

absl::StatusOr<UniquePacket> EncodePng(const RgbImage& image) {
  const AVCodec* encoder = avcodec_find_encoder(AV_CODEC_ID_PNG);
  if (encoder == nullptr) {
    return absl::InternalError("this libavcodec has no PNG encoder");
  }
  const UniqueCodecContext codec(avcodec_alloc_context3(encoder));
  codec->width = image.width;
  codec->height = image.height;
  codec->pix_fmt = AV_PIX_FMT_RGB24;
  codec->time_base = {1, 1};
  int code = avcodec_open2(codec.get(), encoder, nullptr);
  if (code < 0) {
    return AvStatus(code, "opening the PNG encoder");
  }
  const UniqueFrame frame(av_frame_alloc());
  frame->width = image.width;
  frame->height = image.height;
  frame->format = AV_PIX_FMT_RGB24;
  code = av_frame_get_buffer(frame.get(), 0);
  if (code < 0) {
    return AvStatus(code, "allocating a frame");
  }
  const size_t row_bytes = static_cast<size_t>(image.width) * 3;
  for (int y = 0; y < image.height; ++y) {
    std::copy_n(image.pixels.data() + y * row_bytes, row_bytes, frame->data[0] + y * frame->linesize[0]);
  }
  code = avcodec_send_frame(codec.get(), frame.get());
  if (code >= 0) {
    code = avcodec_send_frame(codec.get(), nullptr);  // no more: the packet comes out now
  }
  UniquePacket packet(av_packet_alloc());
  if (code >= 0) {
    code = avcodec_receive_packet(codec.get(), packet.get());
  }
  if (code < 0) {
    return AvStatus(code, "encoding PNG");
  }
  return packet;
}

}  // namespace

absl::Status WritePng(const RgbImage& image, const std::string& path) {
  const absl::StatusOr<UniquePacket> packet = EncodePng(image);
  if (!packet.ok()) {
    return packet.status();
  }
  return WriteWholeFile(
      path, absl::string_view(reinterpret_cast<const char*>((*packet)->data), static_cast<size_t>((*packet)->size)));
}

}  // namespace videodiffcr
