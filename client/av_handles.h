// Owners of libav's objects: frees live here, not at the call sites.
#ifndef VIDEODIFFCR_CLIENT_AV_HANDLES_H_
#define VIDEODIFFCR_CLIENT_AV_HANDLES_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

namespace videodiffcr {

struct AvDeleter {
  void operator()(AVFormatContext* input) const { avformat_close_input(&input); }
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};

using UniqueAvInput = std::unique_ptr<AVFormatContext, AvDeleter>;
using UniqueAvCodec = std::unique_ptr<AVCodecContext, AvDeleter>;
using UniqueAvFrame = std::unique_ptr<AVFrame, AvDeleter>;
using UniqueAvPacket = std::unique_ptr<AVPacket, AvDeleter>;
using UniqueSwsContext = std::unique_ptr<SwsContext, AvDeleter>;

// Internal: "<what>: <libav's text for the code>".
inline absl::Status AvError(absl::string_view what, int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof(text));
  return absl::InternalError(absl::StrCat(what, ": ", text));
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_AV_HANDLES_H_
