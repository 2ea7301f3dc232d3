#include "media/video_frames.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "media/av_handles.h"
#include "media/av_status.h"
#include "system/regular_file.h"

extern "C" {
#include <libavutil/imgutils.h>
}

namespace videodiffcr {
namespace {

// FFmpeg's name for its demuxer of MP4 and its kin.
constexpr char kFormats[] = "mov,mp4,m4a,3gp,3g2,mj2";

// A few kilobytes may claim frames that take gigabytes. Video of 7680x4320 pixels is read.
constexpr int64_t kMostPixels = int64_t{1} << 25;
constexpr int kMostSide = 8192;  // pixels

struct OpenVideo {
  UniqueInput input;
  const AVStream* stream = nullptr;  // the first video stream; belongs to `input`
};

// What went wrong with a file, whatever FFmpeg calls it: never a wrong argument of whoever asked.
absl::Status CannotRead(const std::string& path, const absl::Status& cause) {
  const absl::StatusCode code = absl::IsResourceExhausted(cause) ? cause.code() : absl::StatusCode::kDataLoss;
  return absl::Status(code, absl::StrCat("cannot read ", path, " as video: ", cause.message()));
}

// Probing decodes the first frames of every stream, and is to decode no larger ones than are read.
int Probe(AVFormatContext& input) {
  std::vector<AVDictionary*> options(input.nb_streams, nullptr);
  for (AVDictionary*& limits : options) av_dict_set_int(&limits, "max_pixels", kMostPixels, 0);
  const int code = avformat_find_stream_info(&input, options.data());
  for (AVDictionary*& limits : options) av_dict_free(&limits);
  return code;
}

absl::StatusOr<OpenVideo> Open(const std::string& path) {
  // FFmpeg would wait for ever for who writes to a pipe.
  if (const absl::Status regular = RegularFile::Open(path).status(); absl::IsInvalidArgument(regular)) {
    return CannotRead(path, regular);
  }
  // "file:": FFmpeg takes what stands before a colon for a protocol, and a name may have colons. The lists: these bytes
  // came from a server, and of FFmpeg's formats some open other files and addresses that they name.
  AvDictionary options;
  options.Set("protocol_whitelist", "file");
  options.Set("format_whitelist", kFormats);
  AVFormatContext* raw = nullptr;
  int code = avformat_open_input(&raw, absl::StrCat("file:", path).c_str(), nullptr, options.address());
  UniqueInput input(raw);
  if (code == AVERROR(ENOENT)) {
    return absl::NotFoundError(absl::StrCat("cannot read ", path, " as video: there is no such file"));
  }
  if (code < 0) {
    return CannotRead(path, AvStatus(code, "opening it"));
  }
  code = Probe(*input);
  if (code < 0) {
    return CannotRead(path, AvStatus(code, "probing it"));
  }
  const int index = av_find_best_stream(input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index < 0) {
    return absl::DataLossError(absl::StrCat(path, " holds no video stream"));
  }
  const AVStream* stream = input->streams[index];
  return OpenVideo{std::move(input), stream};
}

absl::Status CheckSize(int width, int height) {
  if (width <= kMostSide && height <= kMostSide && int64_t{width} * height <= kMostPixels) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("frames of ", width, "x", height, " pixels; at most ", kMostPixels,
                                          " are read, and ", kMostSide, " on a side"));
}

absl::StatusOr<UniqueCodecContext> OpenDecoder(const AVStream& stream) {
  if (absl::Status size = CheckSize(stream.codecpar->width, stream.codecpar->height); !size.ok()) return size;
  const AVCodec* decoder = avcodec_find_decoder(stream.codecpar->codec_id);
  if (decoder == nullptr) {
    return absl::InternalError(
        absl::StrCat("this libavcodec has no decoder for ", avcodec_get_name(stream.codecpar->codec_id)));
  }
  UniqueCodecContext codec(avcodec_alloc_context3(decoder));
  int code = avcodec_parameters_to_context(codec.get(), stream.codecpar);
  if (code >= 0) {
    codec->max_pixels = kMostPixels;
    code = avcodec_open2(codec.get(), decoder, nullptr);
  }
  if (code < 0) {
    return AvStatus(code, "opening the decoder");
  }
  return codec;
}

absl::StatusOr<RgbImage> ToRgb(const AVFrame& frame, int max_width) {
  const int width = std::min(frame.width, max_width);
  const int height = std::max(1, static_cast<int>(static_cast<int64_t>(frame.height) * width / frame.width));
  const UniqueScaler scaler(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format), width,
                                           height, AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
  if (scaler == nullptr && sws_isSupportedInput(static_cast<AVPixelFormat>(frame.format)) == 0) {
    return absl::InternalError(absl::StrCat("libswscale cannot convert pixel format ", frame.format, " to RGB"));
  }
  if (scaler == nullptr) return absl::ResourceExhaustedError("no memory for the conversion of a frame");
  // FFmpeg's vector instructions may write past a row's end: into a frame of its own, which has room there.
  const UniqueFrame scaled(av_frame_alloc());
  if (scaled == nullptr) return absl::ResourceExhaustedError("no memory for a frame");
  scaled->format = AV_PIX_FMT_RGB24;
  scaled->width = width;
  scaled->height = height;
  int code = av_frame_get_buffer(scaled.get(), /*align=*/0);
  if (code >= 0)
    code = sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, scaled->data, scaled->linesize);
  if (code < 0) {
    return AvStatus(code, "scaling a frame");
  }
  RgbImage image = RgbImage::Filled(width, height, {});
  uint8_t* planes[4] = {image.pixels.data()};
  int strides[4] = {width * 3};
  const uint8_t* from[4] = {scaled->data[0]};
  av_image_copy(planes, strides, from, scaled->linesize, AV_PIX_FMT_RGB24, width, height);
  return image;
}

// Collects the wanted ones out of frames that arrive in playing order, all of one size.
class FrameCollector {
 public:
  FrameCollector(const std::vector<int64_t>& indices, AVRational time_base, int max_width)
      : indices_(indices), time_base_(time_base), max_width_(max_width) {}

  bool complete() const { return frames_.size() == indices_.size(); }

  // Takes every frame the decoder has ready.
  absl::Status Drain(AVCodecContext* codec, AVFrame* frame) {
    while (!complete()) {
      const int code = avcodec_receive_frame(codec, frame);
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) {
        return absl::OkStatus();
      }
      if (code < 0) {
        return AvStatus(code, "decoding a frame");
      }
      if (absl::Status size = KeepSize(*frame); !size.ok()) return size;
      if (next_index_++ == indices_[frames_.size()]) {
        absl::StatusOr<RgbImage> image = ToRgb(*frame, max_width_);
        if (!image.ok()) {
          return image.status();
        }
        frames_.push_back({*std::move(image), static_cast<double>(frame->best_effort_timestamp) * av_q2d(time_base_)});
      }
    }
    return absl::OkStatus();
  }

  std::vector<VideoFrame> TakeFrames() { return std::move(frames_); }

 private:
  // Who lays frames out takes the first one's size for that of all.
  absl::Status KeepSize(const AVFrame& frame) {
    if (next_index_ == 0) {
      width_ = frame.width;
      height_ = frame.height;
      return CheckSize(width_, height_);
    }
    if (frame.width == width_ && frame.height == height_) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("frame ", next_index_, " has ", frame.width, "x", frame.height,
                                            " pixels, the first one ", width_, "x", height_));
  }

  const std::vector<int64_t>& indices_;
  const AVRational time_base_;
  const int max_width_;
  int64_t next_index_ = 0;
  int width_ = 0;   // pixels, of the first frame
  int height_ = 0;  // likewise
  std::vector<VideoFrame> frames_;
};

}  // namespace

absl::StatusOr<int64_t> CountVideoFrames(const std::string& path) {
  const absl::StatusOr<OpenVideo> video = Open(path);
  if (!video.ok()) {
    return video.status();
  }
  const UniquePacket packet(av_packet_alloc());
  int64_t count = 0;
  while (av_read_frame(video->input.get(), packet.get()) >= 0) {
    count += packet->stream_index == video->stream->index ? 1 : 0;
    av_packet_unref(packet.get());
  }
  return count;
}

absl::StatusOr<std::vector<VideoFrame>> ReadVideoFrames(const std::string& path, const std::vector<int64_t>& indices,
                                                        int max_width) {
  const absl::StatusOr<OpenVideo> video = Open(path);
  if (!video.ok()) {
    return video.status();
  }
  const absl::StatusOr<UniqueCodecContext> codec = OpenDecoder(*video->stream);
  if (!codec.ok()) {
    return CannotRead(path, codec.status());
  }
  FrameCollector collector(indices, video->stream->time_base, max_width);
  const UniquePacket packet(av_packet_alloc());
  const UniqueFrame frame(av_frame_alloc());
  bool more = true;
  while (more && !collector.complete()) {
    more = av_read_frame(video->input.get(), packet.get()) >= 0;
    if (more && packet->stream_index != video->stream->index) {
      av_packet_unref(packet.get());
      continue;
    }
    // A null packet at the end makes the decoder hand out what it still holds.
    const int code = avcodec_send_packet(codec->get(), more ? packet.get() : nullptr);
    av_packet_unref(packet.get());
    if (code < 0) {
      return CannotRead(path, AvStatus(code, "decoding a packet"));
    }
    const absl::Status status = collector.Drain(codec->get(), frame.get());
    if (!status.ok()) {
      return CannotRead(path, status);
    }
  }
  return collector.TakeFrames();
}

}  // namespace videodiffcr
