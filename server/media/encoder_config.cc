#include "server/media/encoder_config.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

std::string_view CodecName(VideoCodec codec) {
  switch (codec) {
    case VideoCodec::kH264:
      return "h264";
    case VideoCodec::kRawRgb24:
      return "raw_rgb24";
    case VideoCodec::kRawYuv420p:
      return "raw_yuv420p";
  }
  return "unknown";
}

absl::Status EncoderConfig::Validate() const {
  constexpr int kMaxSide = 8192;
  if (std::find(std::begin(kSupportedOutputs), std::end(kSupportedOutputs), output) == std::end(kSupportedOutputs)) {
    return absl::InvalidArgumentError(
        "codec and container do not go together; H.264 goes into fragmented MP4 or Annex-B, raw codecs into raw");
  }
  if (width < 1 || width > kMaxSide || height < 1 || height > kMaxSide) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame size is ", width, "x", height, " pixels; each side must be from 1 to ", kMaxSide));
  }
  if (output.codec != VideoCodec::kRawRgb24 && (width % 2 != 0 || height % 2 != 0)) {
    return absl::InvalidArgumentError(absl::StrCat("frame size is ", width, "x", height,
                                                   " pixels; both sides must be even, because chroma is halved"));
  }
  if (frames_per_second < 1 || frames_per_second > 240) {
    return absl::InvalidArgumentError(
        absl::StrCat("frames_per_second is ", frames_per_second, "; it must be from 1 to 240"));
  }
  if (rate_factor < kMinRateFactor || rate_factor > kMaxRateFactor) {
    return absl::InvalidArgumentError(
        absl::StrCat("rate_factor is ", rate_factor, "; it must be from ", kMinRateFactor, " to ", kMaxRateFactor));
  }
  if (first_fragment_frames < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("first_fragment_frames is ", first_fragment_frames, "; it must be at least 0"));
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
