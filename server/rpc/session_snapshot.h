// A session as one message, and back: what a client carries from a server that goes away to one that goes on.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_SNAPSHOT_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/api/video_model.h"
#include "scheduler/session_types.h"
#include "server/rpc/request_conversion.h"
#include "server/rpc/rpc_limits.h"
#include "server/rpc/scene_history.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// What a server and those that share its key know of snapshots. Constant after construction.
class SnapshotSeal {
 public:
  // `model_fingerprint` of the model that is served. `key` empty: snapshots are not sealed, and none is asked for its
  // seal.
  SnapshotSeal(std::string model_fingerprint, std::string key)
      : model_fingerprint_(std::move(model_fingerprint)), key_(std::move(key)) {}

  const std::string& model_fingerprint() const { return model_fingerprint_; }

  v1::SessionSnapshot Close(const v1::SnapshotState& state) const;

  // Checks seal, form and model, and nothing behind them. Unauthenticated with reason SNAPSHOT_NOT_SEALED (in constant
  // time), InvalidArgument with SNAPSHOT_MALFORMED, FailedPrecondition with SNAPSHOT_OF_ANOTHER_MODEL.
  absl::StatusOr<v1::SnapshotState> Open(const v1::SessionSnapshot& snapshot) const;

 private:
  std::string SealOf(const std::string& state) const;

  const std::string model_fingerprint_;
  const std::string key_;
};

// All that a snapshot is made of.
struct SessionFacts {
  const v1::SessionConfig& config;  // as it was asked for
  uint64_t seed = 0;                // in use
  const SceneHistory& history;
  Outstanding outstanding;
  int64_t controls_received = 0;
  absl::Time taken_at;  // by the wall clock: it is read on another machine
};

v1::SnapshotState MakeSnapshotState(const SessionFacts& facts, const std::string& model_fingerprint);

// A session that goes on from `state`, all of it checked as if a stranger had made it. Errors as ConvertConfig(), with
// fields that begin with "resume.snapshot."; `wall_now`: see SnapshotState::taken_at.
absl::StatusOr<SessionPlan> PlanFromSnapshot(const v1::SnapshotState& state, bool one_clip, const VideoModel& model,
                                             const RpcLimits& limits, absl::Time wall_now);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_SNAPSHOT_H_
