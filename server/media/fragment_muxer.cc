#include "server/media/fragment_muxer.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "media/av_status.h"

namespace videodiffcr {
namespace {

constexpr int kSinkBufferBytes = 64 * 1024;
// What a fragment takes beside its packets, generously.
constexpr size_t kBoxBytes = 4096;

// frag_custom: a fragment ends where we flush, so where a chunk or a part of one does. empty_moov: the moov box has no
// samples and can be written first. default_base_moof: offsets are relative to their fragment, so fragments can be cut
// out and moved. frag_discont: the first fragment's time is its packets', which is not 0 where another encoder made
// those before.
constexpr char kMovFlags[] = "frag_custom+empty_moov+default_base_moof+frag_discont";

}  // namespace

absl::StatusOr<std::unique_ptr<FragmentMuxer>> FragmentMuxer::Create(const AVCodecContext& encoder,
                                                                     int64_t first_fragment) {
  auto muxer = absl::WrapUnique(new FragmentMuxer(encoder.time_base));
  if (absl::Status status = muxer->Open(encoder, first_fragment); !status.ok()) return status;
  return muxer;
}

int FragmentMuxer::Append(void* opaque, SinkByte* bytes, int size) {
  static_cast<FragmentMuxer*>(opaque)->sink_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  return size;
}

absl::Status FragmentMuxer::Open(const AVCodecContext& encoder, int64_t first_fragment) {
  AVFormatContext* format = nullptr;
  if (absl::Status status =
          AvStatus(avformat_alloc_output_context2(&format, nullptr, "mp4", nullptr), "making the MP4 muxer");
      !status.ok()) {
    return status;
  }
  format_.reset(format);
  auto* buffer = static_cast<unsigned char*>(av_malloc(kSinkBufferBytes));
  if (buffer == nullptr) return absl::ResourceExhaustedError("no memory for the muxer's buffer");
  format_->pb =
      avio_alloc_context(buffer, kSinkBufferBytes, /*write_flag=*/1, this, nullptr, &FragmentMuxer::Append, nullptr);
  if (format_->pb == nullptr) {
    av_free(buffer);
    return absl::ResourceExhaustedError("no memory for the muxer's byte sink");
  }
  // Bit-exact: no version of the muxer and no time of day in the bytes, so equal frames give equal files.
  format_->flags |= AVFMT_FLAG_BITEXACT | AVFMT_FLAG_CUSTOM_IO;
  // Times as they are: FFmpeg would move the first one to 0.
  format_->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;

  stream_ = avformat_new_stream(format_.get(), nullptr);
  if (stream_ == nullptr) return absl::ResourceExhaustedError("no memory for the muxer's stream");
  if (absl::Status status =
          AvStatus(avcodec_parameters_from_context(stream_->codecpar, &encoder), "copying the codec parameters");
      !status.ok()) {
    return status;
  }
  stream_->time_base = encoder.time_base;
  stream_->avg_frame_rate = encoder.framerate;

  AvDictionary options;
  options.Set("movflags", kMovFlags);
  options.Set("use_editlist", "0");  // which an empty moov box could not have, and FFmpeg would complain
  options.Set("fragment_index", absl::StrCat(first_fragment + 1).c_str());
  if (absl::Status status =
          AvStatus(avformat_write_header(format_.get(), options.address()), "writing the init segment");
      !status.ok()) {
    return status;
  }
  if (options.unused() != nullptr) {
    return absl::InternalError(absl::StrCat("the MP4 muxer does not know the option '", options.unused(), "'"));
  }
  avio_flush(format_->pb);
  init_segment_ = std::exchange(sink_, std::string());
  return absl::OkStatus();
}

absl::Status FragmentMuxer::WritePacket(AVPacket* packet) {
  av_packet_rescale_ts(packet, packet_time_base_, stream_->time_base);
  packet->stream_index = stream_->index;
  packet_bytes_ += static_cast<size_t>(packet->size);
  const absl::Status status = AvStatus(av_write_frame(format_.get(), packet), "writing a packet into the fragment");
  av_packet_unref(packet);
  return status;
}

absl::StatusOr<std::string> FragmentMuxer::TakeFragment() {
  // At once: the bytes come in pieces, and a sink that grows copies them again and again.
  sink_.reserve(std::exchange(packet_bytes_, 0) + kBoxBytes);
  if (absl::Status status = AvStatus(av_write_frame(format_.get(), nullptr), "closing the fragment"); !status.ok()) {
    return status;
  }
  avio_flush(format_->pb);
  return std::exchange(sink_, std::string());
}

}  // namespace videodiffcr
