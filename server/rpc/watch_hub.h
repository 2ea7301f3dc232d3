// Who watches a session beside its own viewer. Each chunk is packed once for all of them.
#ifndef VIDEODIFFCR_SERVER_RPC_WATCH_HUB_H_
#define VIDEODIFFCR_SERVER_RPC_WATCH_HUB_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/delivery/stream_outbox.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

// A call of WatchSession. Both return at once; from the scheduler's threads, without a lock of the hub.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // `bytes`: a WatchSessionResponse, shared with the other watchers.
  virtual void OnChunk(const grpc::ByteBuffer& bytes) = 0;
  // `finished`: null when the session ends without.
  virtual void OnEnd(const absl::Status& status, const grpc::ByteBuffer* finished) = 0;
};

// Thread-safe.
class WatchHub final : public StreamOutbox::Tap {
 public:
  // `clock` outlives the hub.
  WatchHub(int max_watchers, const Clock* clock) : max_watchers_(max_watchers), clock_(clock) {}

  // From the next chunk on. ResourceExhausted (TOO_MANY_WATCHERS), or how the session has ended.
  absl::Status Add(std::weak_ptr<Watcher> watcher);

  // What the session's own viewer has missed so far, which watchers hear at the end, too.
  void SetDeadlineMisses(int64_t misses);

  // StreamOutbox::Tap.
  bool Listening() override;
  void OnEvent(const OutgoingEvent& event) override;
  void OnEnd(const absl::Status& status, const StreamEvent* last) override;

 private:
  struct Place {
    std::weak_ptr<Watcher> watcher;
    bool has_init_segment = false;
  };
  const int max_watchers_;
  const Clock* const clock_;
  Mutex mutex_;
  std::vector<Place> places_ ABSL_GUARDED_BY(mutex_);
  bool heard_chunk_ ABSL_GUARDED_BY(mutex_) = false;
  std::string init_segment_ ABSL_GUARDED_BY(mutex_);
  int64_t deadline_misses_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_WATCH_HUB_H_
