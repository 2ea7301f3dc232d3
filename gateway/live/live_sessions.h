// The live sessions of this gateway.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_LIVE_SESSIONS_H_
#define VIDEODIFFCR_GATEWAY_LIVE_LIVE_SESSIONS_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/gateway_metrics.h"
#include "gateway/live/live_session.h"
#include "gateway/server_pool.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

struct LiveSessionsOptions {
  int max_sessions = 16;  // that run
  int max_viewers = 256;  // of all sessions together
  // A session that nobody looks at for so long is cancelled.
  absl::Duration abandoned_after = absl::Seconds(60);
  // An ended one can be looked at for so long, while there are no more than four times `max_sessions`.
  absl::Duration keep_ended = absl::Minutes(10);
  LiveLimits limits;
};

// Thread-safe.
class LiveSessions {
 public:
  // All of them outlive this and every session, those that only a viewer still holds included.
  LiveSessions(const LiveSessionsOptions& options, const Clock* clock, ServerPool* pool, GatewayMetrics* metrics);
  ~LiveSessions() { Stop(); }

  // Ends all sessions and waits for their threads.
  void Stop();

  // `on_started` is called once the server has taken or refused the session. ResourceExhausted when there are too many.
  absl::StatusOr<std::shared_ptr<LiveSession>> Start(LiveRequest request, const std::string& authorization,
                                                     LiveSession::OnStarted on_started);

  // NotFound when there is none. Counts as a look at it.
  absl::StatusOr<std::shared_ptr<LiveSession>> Find(const std::string& id);

  // Holds a viewer's place while it lives. ResourceExhausted when there is none.
  absl::StatusOr<std::shared_ptr<void>> Watch(const std::shared_ptr<LiveSession>& session);

  // Cancels and forgets what has had its time; to be called every second.
  void Sweep();

 private:
  struct Entry {
    std::shared_ptr<LiveSession> session;
    absl::Time last_look;
    absl::Time ended = absl::InfiniteFuture();
  };
  int Running() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LiveSessionsOptions options_;
  const Clock* const clock_;
  ServerPool* const pool_;
  GatewayMetrics* const metrics_;
  Mutex mutex_;
  std::map<std::string, Entry> sessions_ ABSL_GUARDED_BY(mutex_);
  const std::shared_ptr<std::atomic<int>> viewers_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_LIVE_SESSIONS_H_
