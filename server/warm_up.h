// First times, before anybody waits for them: pages of weights, code paths, scratch memory, the encoder's tables.
#ifndef VIDEODIFFCR_SERVER_WARM_UP_H_
#define VIDEODIFFCR_SERVER_WARM_UP_H_

#include "absl/status/status.h"
#include "model/api/video_model.h"

namespace videodiffcr {

// Generates and encodes `chunks` dense chunks of a session of its own and throws them away. Before the scheduler
// exists: it uses the model as only the engine thread may later. Any failure of the model or the encoder.
absl::Status WarmUp(VideoModel* model, int chunks);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_WARM_UP_H_
