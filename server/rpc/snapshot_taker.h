// Takes snapshots of one session: keeps what they hold that nothing else keeps. Not thread-safe.
#ifndef VIDEODIFFCR_SERVER_RPC_SNAPSHOT_TAKER_H_
#define VIDEODIFFCR_SERVER_RPC_SNAPSHOT_TAKER_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "scheduler/scheduler.h"
#include "scheduler/session_types.h"
#include "server/delivery/stream_event.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/request_conversion.h"
#include "server/rpc/scene_history.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class SnapshotTaker {
 public:
  // What `environment` points at outlives it.
  SnapshotTaker(const CallEnvironment& environment, const SessionPlan& plan);

  // The next chunk, `frames` long, is on its way to the client.
  void Add(EarlierChunk chunk, bool scene_start, int frames) { history_.Add(std::move(chunk), scene_start, frames); }

  // Behind the chunk that was added last comes one that nobody has asked for.
  bool Due() const { return interval_chunks_ > 0 && history_.chunks() % interval_chunks_ == 0; }

  // Of `session` (nullopt: the scheduler does not have it yet), whose client has sent `controls_received` controls.
  // FailedPrecondition of a session that is not resumable, and NotFound of one that is gone, with details.
  absl::StatusOr<SnapshotEvent> Take(std::optional<SessionId> session, int64_t controls_received) const;

 private:
  const Scheduler* const scheduler_;
  const SnapshotSeal* const seal_;
  const bool resumable_;
  const v1::SessionConfig config_;  // as it was asked for; empty unless resumable
  const uint64_t seed_;             // in use
  const int64_t interval_chunks_;   // 0: none
  SceneHistory history_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SNAPSHOT_TAKER_H_
