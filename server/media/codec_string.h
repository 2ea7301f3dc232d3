// The name by which players know an H.264 stream.
#ifndef VIDEODIFFCR_SERVER_MEDIA_CODEC_STRING_H_
#define VIDEODIFFCR_SERVER_MEDIA_CODEC_STRING_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace videodiffcr {

// "avc1.PPCCLL" (RFC 6381 section 3.3): profile, constraint flags and level in hexadecimal, taken from the first
// sequence parameter set of `annex_b` (start codes, then NAL units). InvalidArgument when there is none.
absl::StatusOr<std::string> H264CodecString(std::span<const uint8_t> annex_b);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_CODEC_STRING_H_
