// H.264 through libavcodec's libx264: every chunk is one closed group of pictures that begins with an IDR frame.
#ifndef VIDEODIFFCR_SERVER_MEDIA_H264_ENCODER_H_
#define VIDEODIFFCR_SERVER_MEDIA_H264_ENCODER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "media/av_handles.h"
#include "server/media/encoder.h"
#include "server/media/fragment_muxer.h"
#include "server/media/frame_converter.h"

namespace videodiffcr {

// Slices that a picture of `height` pixels is cut into, which x264 encodes side by side, each on a thread of its own:
// one per 120 rows, from 480 rows on one per 64, from 1 to 8. A slice costs bytes, since nothing is predicted across
// its edge. Of the picture's size alone, never of the machine's processors: equal frames give equal bytes on every
// machine, unless they are near to noise and cut: where the level's rate holds x264 back, its slices look at each
// other's sizes as they are made.
int H264SliceThreads(int height);

// "avc1.6400LL": the High profile without constraints, and the level that allows what `config` may send.
std::string PromisedH264CodecString(const EncoderConfig& config);

// With more than one slice x264 keeps threads of its own from Create() to the end of the encoder; they wait between
// pictures.
class H264Encoder final : public ChunkEncoder {
 public:
  // `config` is valid and its codec is kH264. Unimplemented when this FFmpeg was built without libx264.
  static absl::StatusOr<std::unique_ptr<H264Encoder>> Create(const EncoderConfig& config);

  absl::Status EncodePart(const FrameChunk& chunk, int begin, int frames, EncodedChunk* encoded) override;

 private:
  explicit H264Encoder(const EncoderConfig& config)
      : config_(config), converter_(config.width, config.height), next_frame_(config.first_frame) {}
  absl::Status Open();
  // One frame in, its one packet out (Note: one frame, one packet).
  absl::Status EncodeFrame(PixelFormat format, const uint8_t* pixels, bool first_of_chunk, EncodedChunk* encoded);

  const EncoderConfig config_;
  std::string parameter_sets_;  // Annex-B, with start codes; constant after Open()
  FrameConverter converter_;
  UniqueCodecContext codec_;
  UniqueFrame frame_;                     // reused for every picture, as is
  UniquePacket packet_;                   // the packet
  std::unique_ptr<FragmentMuxer> muxer_;  // fragmented MP4 only
  bool init_segment_sent_ = false;
  int64_t next_frame_;  // of the whole video: the presentation time of the next one
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_H264_ENCODER_H_
