// What every call of the video service needs; all of it outlives the calls.
#ifndef VIDEODIFFCR_SERVER_RPC_CALL_ENVIRONMENT_H_
#define VIDEODIFFCR_SERVER_RPC_CALL_ENVIRONMENT_H_

#include "absl/time/time.h"
#include "model/api/video_model.h"
#include "scheduler/scheduler.h"
#include "server/delivery/delivery_metrics.h"
#include "server/delivery/stream_outbox.h"
#include "server/rpc/caller.h"
#include "server/rpc/rpc_limits.h"
#include "server/rpc/rpc_metrics.h"
#include "server/rpc/session_registry.h"
#include "server/rpc/session_snapshot.h"
#include "server/rpc/session_token.h"
#include "server/rpc/watcher_registry.h"
#include "threading/clock.h"

namespace videodiffcr {

class SessionDirectory;

struct CallEnvironment {
  RpcLimits limits;
  OutboxLimits outbox_limits;
  ReplayLimits replay_limits;
  absl::Duration idle_timeout;  // SchedulerConfig's; 0: none
  const VideoModel* model = nullptr;
  Scheduler* scheduler = nullptr;
  const Clock* clock = nullptr;
  SessionRegistry* registry = nullptr;
  WatcherRegistry* watcher_registry = nullptr;
  SessionDirectory* directory = nullptr;
  const SessionTokens* tokens = nullptr;
  const SnapshotSeal* snapshot_seal = nullptr;
  RpcMetrics* rpc_metrics = nullptr;
  Access access;
  DeliveryMetrics* delivery_metrics = nullptr;
  bool log_prompts = false;  // refusals in the log quote what the client sent
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALL_ENVIRONMENT_H_
