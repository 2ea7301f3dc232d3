// A wait suggested by an error status, carried as a status payload.
#ifndef VIDEODIFFCR_SCHEDULER_RETRY_AFTER_H_
#define VIDEODIFFCR_SCHEDULER_RETRY_AFTER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace videodiffcr {

absl::Status WithRetryAfter(absl::Status status, absl::Duration retry_after);

// nullopt when `status` suggests none.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_RETRY_AFTER_H_
