// What an encoder is asked for, as plain data.
#ifndef VIDEODIFFCR_SERVER_MEDIA_ENCODER_CONFIG_H_
#define VIDEODIFFCR_SERVER_MEDIA_ENCODER_CONFIG_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace videodiffcr {

enum class VideoCodec { kH264, kRawRgb24, kRawYuv420p };
enum class VideoContainer { kFragmentedMp4, kAnnexB, kRaw };

// A codec with a container it goes into.
struct OutputKind {
  VideoCodec codec = VideoCodec::kH264;
  VideoContainer container = VideoContainer::kFragmentedMp4;
  friend bool operator==(const OutputKind&, const OutputKind&) = default;
};

// All pairs that CreateChunkEncoder() can make.
inline constexpr OutputKind kSupportedOutputs[] = {
    {VideoCodec::kH264, VideoContainer::kFragmentedMp4},
    {VideoCodec::kH264, VideoContainer::kAnnexB},
    {VideoCodec::kRawRgb24, VideoContainer::kRaw},
    {VideoCodec::kRawYuv420p, VideoContainer::kRaw},
};

inline constexpr int kMinRateFactor = 1;
inline constexpr int kMaxRateFactor = 51;
inline constexpr int kDefaultRateFactor = 20;

struct EncoderConfig {
  OutputKind output;
  int width = 0;                         // pixels; even for everything but raw RGB, because chroma is halved
  int height = 0;                        // pixels; even likewise
  int frames_per_second = 0;             // of playing time
  int rate_factor = kDefaultRateFactor;  // H.264 only: constant rate factor, lower is better and larger
  // Of chunk 0, frames that are wanted before its others: it is encoded in two parts. 0: in one, as all later chunks.
  int first_fragment_frames = 0;
  // Of the whole video: those before are another encoder's, and fragments join its own without a seam.
  int64_t first_chunk = 0;
  int64_t first_frame = 0;

  absl::Status Validate() const;
};

// Name for logs and metric labels: "h264", "raw_rgb24", "raw_yuv420p".
std::string_view CodecName(VideoCodec codec);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_ENCODER_CONFIG_H_
