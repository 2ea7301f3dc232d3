// Plain structs to responses.
#ifndef VIDEODIFFCR_SERVER_RPC_RESPONSE_CONVERSION_H_
#define VIDEODIFFCR_SERVER_RPC_RESPONSE_CONVERSION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "scheduler/scheduler.h"
#include "server/access/tenant_file.h"
#include "server/delivery/stream_event.h"
#include "server/delivery/stream_outbox.h"
#include "server/rpc/rpc_limits.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// One event as one response. `now`: when it is handed to the transport (chunks report their slack and total by it).
// `deadline_misses`: of the session so far, for `finished`. Takes the payload out of the event instead of copying it.
// GenerateVideoResponse has the same fields under the same numbers, so these bytes serve both calls.
v1::StreamVideoResponse ToResponse(StreamEvent event, absl::Time now, int64_t deadline_misses);
v1::StreamVideoResponse ToResponse(StartedEvent event);

// What GetServerInfo says beside the model.
struct ServerFacts {
  std::string version;
  int max_sessions = 0;
  int max_waiting_sessions = 0;
  absl::Duration idle_timeout;  // 0: none
  absl::Duration idle_grace;
  ReplayLimits replay;
  absl::Duration session_lifetime;    // 0: any
  absl::Duration max_connection_age;  // 0: any
  absl::Duration max_connection_age_grace;
  absl::Duration keepalive_time;
  absl::Duration keepalive_timeout;
};

v1::GetServerInfoResponse ToServerInfo(const ModelInfo& model, const RpcLimits& limits, const ServerFacts& facts,
                                       const SchedulerLoad& load);

// What it says to a tenant of its own limits.
void AddTenantLimits(const TenantLimits& limits, v1::ServerLimits* reported);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_RESPONSE_CONVERSION_H_
