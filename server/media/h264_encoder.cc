// Note: time base. Time is counted in frames (time base 1/fps) from the first frame of the session, never from the
// chunk, so chunks join without gap or overlap. The muxer rescales to the track's own time scale.
//
// Note: one frame, one packet. With tune "zerolatency" there is no lookahead and no B frame, and threads share a
// picture, so x264 gives the packet of a frame back at once. That is what lets a chunk leave without waiting for the
// next one, and a part of it without waiting for the rest; EncodePart() checks it.
//
// Note: closed group of pictures. Automatic keyframes are off (an endless interval, no scene cut detection); the first
// frame of every chunk is forced to be an IDR, and no frame refers across an IDR. So the keyframes are where the chunks
// begin, and nowhere else.
#include "server/media/h264_encoder.h"

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/av_status.h"
#include "server/media/codec_string.h"
#include "server/media/h264_level.h"

namespace videodiffcr {
namespace {

// Measured at 832x480 on one core: about 290 frames per second; the next slower preset halves that for 10 % fewer
// bytes. What slices gain and cost: docs/experiments.md.
constexpr char kPreset[] = "superfast";

// Note: level and rate. The level that the stream names is one that allows what this rate factor may send, and x264 is
// held to that level's rate and buffer, so that no picture, not even noise, breaks the promise.
H264Level LevelOf(const EncoderConfig& config) {
  return ChooseH264Level(config.width, config.height, config.frames_per_second,
                         H264RateBound(config.width, config.height, config.frames_per_second, config.rate_factor));
}

// Chunk 0 may have been two.
int64_t FragmentsBefore(const EncoderConfig& config) {
  return config.first_chunk + (config.first_chunk > 0 && config.first_fragment_frames > 0 ? 1 : 0);
}

void Configure(const EncoderConfig& config, AVCodecContext* codec) {
  codec->width = config.width;
  codec->height = config.height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->time_base = AVRational{1, config.frames_per_second};
  codec->framerate = AVRational{config.frames_per_second, 1};
  codec->gop_size = std::numeric_limits<int>::max();
  codec->max_b_frames = 0;
  // This type and no other bit: x264 cuts pictures only then. Frame threads would hold pictures back.
  codec->thread_type = FF_THREAD_SLICE;
  codec->thread_count = H264SliceThreads(config.height);
  // Parameter sets go into the extradata: the MP4 muxer needs them before the first frame.
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP;
  const H264Level level = LevelOf(config);  // Note: level and rate
  codec->level = level.number;
  codec->rc_max_rate = level.max_bits_per_second;
  codec->rc_buffer_size = static_cast<int>(level.max_buffer_bits);
  codec->log_level_offset =
      AV_LOG_INFO - AV_LOG_ERROR;  // x264 describes every stream at "info": only errors are wanted
  codec->color_range = AVCOL_RANGE_MPEG;
  codec->color_primaries = AVCOL_PRI_SMPTE170M;
  codec->color_trc = AVCOL_TRC_SMPTE170M;
  codec->colorspace = AVCOL_SPC_SMPTE170M;
}

}  // namespace

int H264SliceThreads(int height) {
  constexpr int kLarge = 480;
  constexpr int kMaxSlices = 8;
  // 64 is the least that x264 allows: four rows of macroblocks.
  return std::clamp(height / (height < kLarge ? 120 : 64), 1, kMaxSlices);
}

std::string PromisedH264CodecString(const EncoderConfig& config) {
  return absl::StrFormat("avc1.6400%02x", LevelOf(config).number);
}

absl::StatusOr<std::unique_ptr<H264Encoder>> H264Encoder::Create(const EncoderConfig& config) {
  auto encoder = absl::WrapUnique(new H264Encoder(config));
  if (absl::Status status = encoder->Open(); !status.ok()) return status;
  return encoder;
}

absl::Status H264Encoder::Open() {
  const AVCodec* x264 = avcodec_find_encoder_by_name("libx264");
  if (x264 == nullptr) {
    return absl::UnimplementedError(
        "this FFmpeg has no libx264 encoder; install Debian's package of libavcodec, or one built with libx264");
  }
  codec_.reset(avcodec_alloc_context3(x264));
  frame_.reset(av_frame_alloc());
  packet_.reset(av_packet_alloc());
  if (codec_ == nullptr || frame_ == nullptr || packet_ == nullptr) {
    return absl::ResourceExhaustedError("no memory for the encoder");
  }
  Configure(config_, codec_.get());
  AvDictionary options;
  options.Set("preset", kPreset);
  options.Set("tune", "zerolatency");
  options.Set("crf", absl::StrCat(config_.rate_factor).c_str());
  options.Set("forced-idr", "1");
  options.Set("x264-params", "scenecut=0:keyint=infinite:open-gop=0");
  const int opened = avcodec_open2(codec_.get(), x264, options.address());
  // All that libx264 says. Its settings are ours and checked, so that memory or threads are what it can be short of.
  if (opened == AVERROR_EXTERNAL) return absl::ResourceExhaustedError("no memory or threads for an H.264 encoder");
  if (absl::Status status = AvStatus(opened, "opening the H.264 encoder"); !status.ok()) return status;
  if (options.unused() != nullptr) {
    return absl::InternalError(absl::StrCat("libx264 does not know the option '", options.unused(), "'"));
  }
  const std::span<const uint8_t> extradata(codec_->extradata, static_cast<size_t>(codec_->extradata_size));
  const absl::StatusOr<std::string> codec_string = H264CodecString(extradata);
  if (!codec_string.ok()) return codec_string.status();
  if (const std::string promised = PromisedH264CodecString(config_); *codec_string != promised) {
    return absl::InternalError(absl::StrCat("libx264 makes ", *codec_string, " where ", promised, " was promised"));
  }
  parameter_sets_.assign(extradata.begin(), extradata.end());

  frame_->format = AV_PIX_FMT_YUV420P;
  frame_->width = config_.width;
  frame_->height = config_.height;
  if (absl::Status status = AvStatus(av_frame_get_buffer(frame_.get(), 0), "taking memory for a picture");
      !status.ok()) {
    return status;
  }
  if (config_.output.container == VideoContainer::kFragmentedMp4) {
    absl::StatusOr<std::unique_ptr<FragmentMuxer>> muxer = FragmentMuxer::Create(*codec_, FragmentsBefore(config_));
    if (!muxer.ok()) return muxer.status();
    muxer_ = *std::move(muxer);
  }
  return absl::OkStatus();
}

absl::Status H264Encoder::EncodePart(const FrameChunk& chunk, int begin, int frames, EncodedChunk* encoded) {
  if (absl::Status status = CheckFrameChunk(chunk, config_.width, config_.height); !status.ok()) return status;
  if (muxer_ == nullptr && begin == 0) encoded->payload = parameter_sets_;
  const size_t frame_bytes = FrameBytes(chunk.format, config_.width, config_.height);
  for (int frame = begin; frame < begin + frames; ++frame) {
    const uint8_t* pixels = chunk.pixels.data() + frame * frame_bytes;
    if (absl::Status status = EncodeFrame(chunk.format, pixels, frame == 0, encoded); !status.ok()) return status;
  }
  if (muxer_ == nullptr) return absl::OkStatus();
  absl::StatusOr<std::string> fragment = muxer_->TakeFragment();
  if (!fragment.ok()) return fragment.status();
  // Moved where there is nothing to join, as of most chunks.
  if (begin == 0) {
    encoded->payload = *std::move(fragment);
  } else {
    encoded->payload += *fragment;
  }
  if (!std::exchange(init_segment_sent_, true)) encoded->init_segment = muxer_->init_segment();
  return absl::OkStatus();
}

absl::Status H264Encoder::EncodeFrame(PixelFormat format, const uint8_t* pixels, bool first_of_chunk,
                                      EncodedChunk* encoded) {
  // The encoder may still refer to the last picture's buffer; then this gives us a fresh one.
  if (absl::Status status = AvStatus(av_frame_make_writable(frame_.get()), "taking memory for a picture");
      !status.ok()) {
    return status;
  }
  if (absl::Status status = converter_.Convert(format, pixels, PixelFormat::kYuv420p, frame_->data, frame_->linesize);
      !status.ok()) {
    return status;
  }
  frame_->pts = next_frame_;
  frame_->pict_type = first_of_chunk ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  if (absl::Status status = AvStatus(avcodec_send_frame(codec_.get(), frame_.get()), "encoding a frame");
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          AvStatus(avcodec_receive_packet(codec_.get(), packet_.get()), "taking the packet of a frame");
      !status.ok()) {
    return status;
  }
  const bool keyframe = (packet_->flags & AV_PKT_FLAG_KEY) != 0;
  if (packet_->pts != next_frame_ || keyframe != first_of_chunk) {
    return absl::InternalError(absl::StrCat("libx264 gave packet ", packet_->pts, keyframe ? " (keyframe)" : "",
                                            " for frame ", next_frame_,
                                            first_of_chunk ? ", the first of its chunk" : ""));
  }
  packet_->duration = 1;
  ++next_frame_;
  if (muxer_ != nullptr) return muxer_->WritePacket(packet_.get());
  encoded->payload.append(reinterpret_cast<const char*>(packet_->data), static_cast<size_t>(packet_->size));
  av_packet_unref(packet_.get());
  return absl::OkStatus();
}

}  // namespace videodiffcr
