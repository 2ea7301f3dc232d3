#include "media/av_status.h"

#include <string>

#include "absl/strings/str_cat.h"

extern "C" {
#include <libavutil/error.h>
}

namespace videodiffcr {

absl::Status AvStatus(int code, std::string_view doing) {
  if (code >= 0) return absl::OkStatus();
  char words[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, words, sizeof(words));
  const std::string message =
      absl::StrCat(absl::string_view(doing.data(), doing.size()), " failed: ", words, " (FFmpeg code ", code, ")");
  switch (code) {
    case AVERROR(ENOMEM):
      return absl::ResourceExhaustedError(message);
    case AVERROR(EINVAL):
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace videodiffcr
