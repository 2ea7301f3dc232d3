// First times, before anybody waits for them: pages of weights, code paths, scratch memory, the encoder's tables.
#ifndef VIDEODIFFCR_SERVER_WARM_UP_H_
#define VIDEODIFFCR_SERVER_WARM_UP_H_

#include "absl/status/status.h"
#include "model/api/video_model.h"
#include "model/drive/clip_run.h"

namespace videodiffcr {

// Generates and encodes `chunks` dense chunks of a session of its own and throws them away. Before the scheduler
// exists: it uses the model as only the engine thread may later. Any failure of the model or the encoder.
// `on_plan`: told of the last chunk's passes, when nothing is a first time any more.
absl::Status WarmUp(VideoModel* model, int chunks, const OnPlan& on_plan = {});

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_WARM_UP_H_
