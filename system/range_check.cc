#include "system/range_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace videodiffcr {
namespace {

std::string Written(int64_t value) { return absl::StrCat(value); }
std::string Written(double value) { return absl::StrFormat("%.15g", value); }  // StrCat would make 1e+06 of a million
std::string Written(absl::Duration value) { return absl::FormatDuration(value); }

template <typename Value>
absl::Status Check(absl::string_view field, Value value, Value least, Value most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", Written(value), "; it must be from ", Written(least), " to ", Written(most)));
}

}  // namespace

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least, int64_t most) {
  return Check(field, value, least, most);
}

absl::Status CheckRange(absl::string_view field, double value, double least, double most) {
  return Check(field, value, least, most);
}

absl::Status CheckRange(absl::string_view field, absl::Duration value, absl::Duration least, absl::Duration most) {
  return Check(field, value, least, most);
}

}  // namespace videodiffcr
