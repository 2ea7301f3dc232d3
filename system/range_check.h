// Whether a setting is in its range, said alike of every setting: "max_sessions is 0; it must be from 1 to 100000".
#ifndef VIDEODIFFCR_SYSTEM_RANGE_CHECK_H_
#define VIDEODIFFCR_SYSTEM_RANGE_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace videodiffcr {

// InvalidArgument with the field, its value and the range, unless `value` is from `least` to `most`, both included.
// Whole numbers are written with all their digits, others with fifteen at most, durations with their unit. NaN is in no
// range.
absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least, int64_t most);
absl::Status CheckRange(absl::string_view field, double value, double least, double most);
absl::Status CheckRange(absl::string_view field, absl::Duration value, absl::Duration least, absl::Duration most);

// An int is a whole number and no double: by itself it would be as near to either.
inline absl::Status CheckRange(absl::string_view field, int value, int64_t least, int64_t most) {
  return CheckRange(field, int64_t{value}, least, most);
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_RANGE_CHECK_H_
