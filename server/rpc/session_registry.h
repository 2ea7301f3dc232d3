// How many sessions each connection has.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_REGISTRY_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_REGISTRY_H_

#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/held_place.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe. Outlives its slots.
class SessionRegistry {
 public:
  explicit SessionRegistry(int max_sessions_per_connection)
      : max_sessions_per_connection_(max_sessions_per_connection) {}

  using Slot = HeldPlace<SessionRegistry, std::string>;  // one session's place

  // `connection`: the peer as gRPC names it, one per socket. ResourceExhausted (TOO_MANY_SESSIONS_ON_CONNECTION, with
  // QuotaFailure).
  absl::StatusOr<Slot> Enter(const std::string& connection);

 private:
  friend Slot;
  void Leave(const std::string& connection);

  const int max_sessions_per_connection_;
  Mutex mutex_;
  std::map<std::string, int, std::less<>> sessions_by_connection_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_REGISTRY_H_
