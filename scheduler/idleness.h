// How sessions end whose time is up, since they made no progress through their own client or are as old as a session
// may be; told from other ends by a status payload.
#ifndef VIDEODIFFCR_SCHEDULER_IDLENESS_H_
#define VIDEODIFFCR_SCHEDULER_IDLENESS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace videodiffcr {

// Aborted: `reason` ("paused by the client") held the session back for `timeout`.
absl::Status IdleError(absl::string_view reason, absl::Duration timeout);
bool IsIdle(const absl::Status& status);

// Aborted: the session is `lifetime` old.
absl::Status LifetimeError(absl::Duration lifetime);
bool IsLifetimeOver(const absl::Status& status);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_IDLENESS_H_
