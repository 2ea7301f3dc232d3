// Takes what viewers ask of one session: counts it, holds it to its rate, does it, and says what became of it.
// Snapshots, which are asked for like that too, say how much was taken. Not thread-safe.
#ifndef VIDEODIFFCR_SERVER_RPC_CONTROL_TAKER_H_
#define VIDEODIFFCR_SERVER_RPC_CONTROL_TAKER_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/session_types.h"
#include "server/delivery/stream_event.h"
#include "server/delivery/stream_outbox.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/request_conversion.h"
#include "server/rpc/snapshot_taker.h"
#include "server/rpc/token_bucket.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class ControlTaker {
 public:
  // Events go to `outbox`. What `environment` points at outlives it.
  ControlTaker(const CallEnvironment& environment, const SessionPlan& plan, std::shared_ptr<StreamOutbox> outbox);

  // Of the client's controls so many were taken, so that whoever goes on with the session knows where to go on.
  int64_t received() const { return received_; }

  // A message of the session's call or, `unary`, of UpdateSession. InvalidArgument and ResourceExhausted with details.
  // One that comes too late is a warning to the call, and FailedPrecondition to UpdateSession if it is a change.
  absl::Status Take(const v1::StreamVideoRequest& request, SessionId session, bool unary);

  // The next chunk, `frames` long, is on its way to the client; behind it comes a snapshot if one is due.
  void AddChunk(EarlierChunk chunk, bool scene_start, int frames, std::optional<SessionId> session);

  // Errors as SnapshotTaker::Take(), and Internal when it threw.
  absl::StatusOr<SnapshotEvent> TakeSnapshot(std::optional<SessionId> session) const;

 private:
  absl::Status PushSnapshot(std::optional<SessionId> session);

  const CallEnvironment environment_;
  const std::shared_ptr<StreamOutbox> outbox_;
  TokenBucket allowance_;
  int64_t received_;
  SnapshotTaker snapshots_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CONTROL_TAKER_H_
