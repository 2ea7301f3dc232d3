// What whoever started the program did wrong, told apart from what went wrong in the program's work: a file that is
// damaged is InvalidArgument to the function that reads it, but no wrong flag.
#ifndef VIDEODIFFCR_SYSTEM_WRONG_USAGE_H_
#define VIDEODIFFCR_SYSTEM_WRONG_USAGE_H_

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

inline constexpr char kWrongUsagePayload[] = "videodiffcr/wrong_usage";

// `status`, marked: another value of a flag would have been right. An OK status stays as it is.
inline absl::Status AsWrongUsage(absl::Status status) {
  status.SetPayload(kWrongUsagePayload, absl::Cord());
  return status;
}

// InvalidArgument with the mark. `message` names the flag, its value and what would be right.
inline absl::Status WrongUsageError(absl::string_view message) {
  return AsWrongUsage(absl::InvalidArgumentError(message));
}

inline bool IsWrongUsage(const absl::Status& status) { return status.GetPayload(kWrongUsagePayload).has_value(); }

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_WRONG_USAGE_H_
