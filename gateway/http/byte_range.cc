#include "gateway/http/byte_range.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace videodiffcr {

ByteRange ParseByteRange(absl::string_view header, int64_t file_bytes) {
  const ByteRange whole = {ByteRange::Kind::kWhole, 0, file_bytes};
  if (!absl::ConsumePrefix(&header, "bytes=") || absl::StrContains(header, ',')) return whole;
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(header, absl::MaxSplits('-', 1));
  int64_t first = 0;
  int64_t last = file_bytes - 1;
  if (ends.first.empty()) {
    int64_t suffix = 0;
    if (!absl::SimpleAtoi(ends.second, &suffix) || suffix < 0) return whole;
    if (suffix == 0) return {ByteRange::Kind::kUnsatisfiable, 0, 0};
    first = std::max<int64_t>(0, file_bytes - suffix);
  } else {
    if (!absl::SimpleAtoi(ends.first, &first) || first < 0) return whole;
    if (!ends.second.empty() && (!absl::SimpleAtoi(ends.second, &last) || last < first)) return whole;
  }
  if (first >= file_bytes) return {ByteRange::Kind::kUnsatisfiable, 0, 0};
  return {ByteRange::Kind::kPart, first, std::min(last, file_bytes - 1) - first + 1};
}

}  // namespace videodiffcr
