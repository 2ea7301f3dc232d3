#include "model/plain/text/code_points.h"

#include <utf8proc.h>

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<std::u32string> DecodeUtf8(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes + at, size - at, &point);
    if (length <= 0) return absl::InvalidArgumentError(absl::StrCat("prompt: not valid UTF-8 at byte ", at));
    points.push_back(static_cast<char32_t>(point));
    at += length;
  }
  return points;
}

namespace {

void AppendUtf8(char32_t point, std::string& out) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(point), bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(length));
}

}  // namespace

std::string EncodeUtf8(const std::u32string& points) {
  std::string text;
  text.reserve(points.size());
  for (char32_t point : points) AppendUtf8(point, text);
  return text;
}

}  // namespace videodiffcr
