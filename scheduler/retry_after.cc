#include "scheduler/retry_after.h"

#include <string>

#include "absl/strings/cord.h"

namespace videodiffcr {
namespace {

constexpr char kPayloadType[] = "videodiffcr/retry_after";

}  // namespace

absl::Status WithRetryAfter(absl::Status status, absl::Duration retry_after) {
  status.SetPayload(kPayloadType, absl::Cord(absl::FormatDuration(retry_after)));
  return status;
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadType);
  absl::Duration retry_after;
  if (!payload.has_value() || !absl::ParseDuration(std::string(*payload), &retry_after)) return std::nullopt;
  return retry_after;
}

}  // namespace videodiffcr
