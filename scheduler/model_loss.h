// How sessions end when the model is lost (VideoModel::health()), told from other ends by a status payload.
#ifndef VIDEODIFFCR_SCHEDULER_MODEL_LOSS_H_
#define VIDEODIFFCR_SCHEDULER_MODEL_LOSS_H_

#include "absl/status/status.h"

namespace videodiffcr {

// Unavailable: the session may be started on another server. `health` is what the model says of itself.
absl::Status ModelLostError(const absl::Status& health);
bool IsModelLost(const absl::Status& status);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_MODEL_LOSS_H_
