// H.264 packets to fragmented MP4: one init segment (ftyp, moov), then one fragment (moof, mdat) per chunk or part of
// one.
#ifndef VIDEODIFFCR_SERVER_MEDIA_FRAGMENT_MUXER_H_
#define VIDEODIFFCR_SERVER_MEDIA_FRAGMENT_MUXER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "media/av_handles.h"

namespace videodiffcr {

// What FFmpeg's byte sinks are handed: bytes that they may not write to, which FFmpeg 7 says in the type and 5 did not.
#if LIBAVFORMAT_VERSION_MAJOR >= 61
using SinkByte = const uint8_t;
#else
using SinkByte = uint8_t;
#endif

// One thread at a time. Used through WritePacket() for every packet of a fragment, then TakeFragment().
class FragmentMuxer {
 public:
  // `encoder` is open, with its parameter sets in the extradata. Its time base is that of the packets.
  // `first_fragment`: its number, from 0. The first packet's time may be any: fragments say their own.
  static absl::StatusOr<std::unique_ptr<FragmentMuxer>> Create(const AVCodecContext& encoder, int64_t first_fragment);

  FragmentMuxer(const FragmentMuxer&) = delete;
  FragmentMuxer& operator=(const FragmentMuxer&) = delete;

  // The ftyp and moov boxes. Any fragment behind them is a playable file.
  const std::string& init_segment() const { return init_segment_; }

  // Takes the packet's data; its timestamps are in the encoder's time base. The packet is left empty.
  absl::Status WritePacket(AVPacket* packet);

  // The moof and mdat boxes of the packets since the last call.
  absl::StatusOr<std::string> TakeFragment();

 private:
  explicit FragmentMuxer(AVRational time_base) : packet_time_base_(time_base) {}
  absl::Status Open(const AVCodecContext& encoder, int64_t first_fragment);
  // FFmpeg's byte sink: appends to sink_.
  static int Append(void* opaque, SinkByte* bytes, int size);

  const AVRational packet_time_base_;
  std::string sink_;          // bytes written and not yet taken
  size_t packet_bytes_ = 0;   // of the packets since the last fragment, which FFmpeg holds until it is taken
  std::string init_segment_;  // constant after Open()
  UniqueFormatContext format_;
  AVStream* stream_ = nullptr;  // owned by format_
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_FRAGMENT_MUXER_H_
