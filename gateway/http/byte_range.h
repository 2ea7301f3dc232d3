// Range requests (RFC 9110 section 14) for a file of known length.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_BYTE_RANGE_H_
#define VIDEODIFFCR_GATEWAY_HTTP_BYTE_RANGE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace videodiffcr {

struct ByteRange {
  enum class Kind { kWhole, kPart, kUnsatisfiable };
  Kind kind = Kind::kWhole;
  int64_t first = 0;
  int64_t count = 0;
};

// What the value of a Range header asks for. Several ranges, other units and what is malformed count as the whole.
ByteRange ParseByteRange(absl::string_view header, int64_t file_bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_BYTE_RANGE_H_
