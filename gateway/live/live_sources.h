// What a viewer of a live session is sent, as it comes.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_LIVE_SOURCES_H_
#define VIDEODIFFCR_GATEWAY_LIVE_LIVE_SOURCES_H_

#include <cstdint>
#include <memory>

#include "gateway/gateway_metrics.h"
#include "gateway/http/http_message.h"
#include "gateway/live/live_session.h"

namespace videodiffcr {

// Fragmented MP4 from chunk `from` on, to the end of the session. A viewer who falls behind what is kept goes on at the
// newest chunk; what is left out is a gap in the video's time. `place` is held while the viewer is there.
std::shared_ptr<BodySource> VideoSource(std::shared_ptr<LiveSession> session, std::shared_ptr<void> place, int64_t from,
                                        GatewayMetrics* metrics);

// Server-sent events from number `from` on. Events that were not kept are told as one "skipped".
std::shared_ptr<BodySource> EventSource(std::shared_ptr<LiveSession> session, std::shared_ptr<void> place,
                                        int64_t from);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_LIVE_SOURCES_H_
