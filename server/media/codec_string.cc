#include "server/media/codec_string.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace videodiffcr {

absl::StatusOr<std::string> H264CodecString(std::span<const uint8_t> annex_b) {
  constexpr uint8_t kSequenceParameterSet = 7;
  // A start code (0 0 1), the NAL header, then profile_idc, the constraint flags and level_idc.
  for (size_t i = 0; i + 6 < annex_b.size(); ++i) {
    if (annex_b[i] != 0 || annex_b[i + 1] != 0 || annex_b[i + 2] != 1) continue;
    if ((annex_b[i + 3] & 0x1f) != kSequenceParameterSet) continue;
    return absl::StrFormat("avc1.%02x%02x%02x", annex_b[i + 4], annex_b[i + 5], annex_b[i + 6]);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no H.264 sequence parameter set in ", annex_b.size(), " bytes of codec parameters"));
}

}  // namespace videodiffcr
