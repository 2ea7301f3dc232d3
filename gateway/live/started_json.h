// What viewers of a live session are told of its start.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_STARTED_JSON_H_
#define VIDEODIFFCR_GATEWAY_LIVE_STARTED_JSON_H_

#include "nlohmann/json.hpp"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// Named fields alone: a viewer is neither who owns the session nor who may share it, and what the API gets later may be
// as much of a secret as its tokens are.
nlohmann::json StartedJson(const v1::SessionStarted& started);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_STARTED_JSON_H_
