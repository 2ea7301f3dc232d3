// The one place where FFmpeg's error codes become Status.
#ifndef VIDEODIFFCR_MEDIA_AV_STATUS_H_
#define VIDEODIFFCR_MEDIA_AV_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace videodiffcr {

// OK for `code` >= 0. Otherwise a status that says what was being done ("opening the encoder"), FFmpeg's words for the
// code and the code itself: ResourceExhausted for lost memory, InvalidArgument for refused values, Internal for the
// rest.
absl::Status AvStatus(int code, std::string_view doing);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_AV_STATUS_H_
