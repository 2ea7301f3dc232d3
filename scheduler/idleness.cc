#include "scheduler/idleness.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr char kPayloadType[] = "videodiffcr/idle";
constexpr char kLifetimePayloadType[] = "videodiffcr/lifetime";

}  // namespace

absl::Status IdleError(absl::string_view reason, absl::Duration timeout) {
  absl::Status status =
      absl::AbortedError(absl::StrCat("the session was idle for ", absl::FormatDuration(timeout), " (", reason,
                                      ") and has given its place back; start it again when its viewer goes on"));
  status.SetPayload(kPayloadType, absl::Cord());
  return status;
}

bool IsIdle(const absl::Status& status) { return status.GetPayload(kPayloadType).has_value(); }

absl::Status LifetimeError(absl::Duration lifetime) {
  absl::Status status = absl::AbortedError(absl::StrCat("the session has run for ", absl::FormatDuration(lifetime),
                                                        ", which is as long as a session may; start another"));
  status.SetPayload(kLifetimePayloadType, absl::Cord());
  return status;
}

bool IsLifetimeOver(const absl::Status& status) { return status.GetPayload(kLifetimePayloadType).has_value(); }

}  // namespace videodiffcr
