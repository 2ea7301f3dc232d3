#include "scheduler/idleness.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr char kPayloadType[] = "videodiffcr/idle";

}  // namespace

absl::Status IdleError(absl::string_view reason, absl::Duration timeout) {
  absl::Status status =
      absl::AbortedError(absl::StrCat("the session was idle for ", absl::FormatDuration(timeout), " (", reason,
                                      ") and has given its place back; start it again when its viewer goes on"));
  status.SetPayload(kPayloadType, absl::Cord());
  return status;
}

bool IsIdle(const absl::Status& status) { return status.GetPayload(kPayloadType).has_value(); }

}  // namespace videodiffcr
