// UTF-8 to characters, and back.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_CODE_POINTS_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_CODE_POINTS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace videodiffcr {

// InvalidArgument when `text` is not valid UTF-8, with the offset of the first bad byte.
absl::StatusOr<std::u32string> DecodeUtf8(std::string_view text);

std::string EncodeUtf8(const std::u32string& points);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_CODE_POINTS_H_
