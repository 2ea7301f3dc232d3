// How many watchers all sessions have together.
#ifndef VIDEODIFFCR_SERVER_RPC_WATCHER_REGISTRY_H_
#define VIDEODIFFCR_SERVER_RPC_WATCHER_REGISTRY_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "prometheus/gauge.h"
#include "server/rpc/held_place.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe. Outlives its slots.
class WatcherRegistry {
 public:
  // `watchers` follows the count, and outlives this.
  WatcherRegistry(int max_watchers, prometheus::Gauge* watchers) : max_watchers_(max_watchers), gauge_(watchers) {}

  using Slot = HeldPlace<WatcherRegistry>;  // one watcher's place

  // ResourceExhausted (TOO_MANY_WATCHERS, with QuotaFailure).
  absl::StatusOr<Slot> Enter();

 private:
  friend Slot;
  void Leave();

  const int max_watchers_;
  prometheus::Gauge* const gauge_;
  Mutex mutex_;
  int watchers_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_WATCHER_REGISTRY_H_
