// One session between the scheduler and whichever call is connected to it. A session that its client wants to resume
// outlives its calls: without one it goes on until its outbox is full, and waits for the next call for a while.
//
// Thread rule: any method from any thread. Calls are numbered as the outbox numbers its connections; what a call that
// is no longer the latest asks for is passed over.
#ifndef VIDEODIFFCR_SERVER_RPC_SERVED_SESSION_H_
#define VIDEODIFFCR_SERVER_RPC_SERVED_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/scheduler.h"
#include "server/delivery/stream_outbox.h"
#include "server/delivery/stream_sink.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/caller.h"
#include "server/rpc/control_taker.h"
#include "server/rpc/request_conversion.h"
#include "server/rpc/session_directory.h"
#include "server/rpc/tenant_quota.h"
#include "server/rpc/watch_hub.h"
#include "threading/mutex.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class SessionEncoder;

// Cancelled: what a session ends with when its call is gone.
absl::Status CallHasEnded() noexcept;

// A call that is connected to a session. Both methods may come late, when another call is connected already.
class SessionViewer {
 public:
  virtual ~SessionViewer() = default;
  // There may be something to take.
  virtual void OnReadable() = 0;
  // Another call has taken over.
  virtual void OnSuperseded() = 0;
};

class ServedSession final : public DirectoryEntry,
                            public StreamOutbox::Listener,
                            public SessionKeeper,
                            public std::enable_shared_from_this<ServedSession> {
 public:
  // `plan` is checked, its seed chosen. `caller` starts it; the session is its tenant's from then on. `fingerprint`:
  // equal for starts that ask for the same. Shared: its call, the directory and the outbox (so the scheduler's threads)
  // reach it, and none knows who is last.
  static std::shared_ptr<ServedSession> Create(const CallEnvironment& environment, const SessionPlan& plan,
                                               Caller caller, std::string fingerprint, absl::Time came_at);

  const std::string& name() const override { return name_; }
  // Of its tenant: two tenants may use one id.
  const std::string& request_id() const override { return request_id_; }
  bool resumable() const { return resumable_; }
  const std::string& fingerprint() const { return fingerprint_; }
  // The scheduler has taken it.
  bool submitted() const { return scheduled().has_value(); }
  // Of all its calls.
  int64_t chunks_sent() const;
  int64_t deadline_misses() const;

  // The call that starts it, which is connection StreamOutbox::kFirstConnection.
  void SetFirstViewer(std::weak_ptr<SessionViewer> viewer);

  // Takes a place of its tenant and hands it to the scheduler; both may refuse it. Once.
  absl::Status Submit(SessionPlan plan);

  // The number of a call that goes on behind chunk `last_sequence` (nullopt: from the beginning). Errors as
  // StreamOutbox::Reconnect(), with details.
  absl::StatusOr<int64_t> Connect(std::weak_ptr<SessionViewer> viewer, std::optional<int64_t> last_sequence);

  // What the call is told first; nullopt while the session has no place yet.
  std::optional<StartedEvent> Describe(int64_t connection);

  std::optional<OutgoingEvent> Take(int64_t connection) { return outbox_->Take(connection); }
  std::optional<absl::Status> Ended(int64_t connection) { return outbox_->Ended(connection); }
  bool ending() { return outbox_->ending(); }
  void Delivered(int64_t connection);
  // A chunk is handed to the transport. Deadline misses so far; a chunk that is sent again counts once.
  int64_t CountChunk(int64_t connection, const ChunkEvent& chunk, bool late);

  // What a watcher is told first, and where it joins.
  StartedEvent DescribeToWatcher() const;
  WatchHub& watchers() { return *watchers_; }

  // A message of the call, or of UpdateSession (nullopt). As ControlTaker::Take().
  absl::Status Control(const v1::StreamVideoRequest& request, std::optional<int64_t> connection);

  // The call is over, with `status`. A session that may be resumed waits for the next one; any other ends with its
  // call.
  void Disconnect(int64_t connection, const absl::Status& status);

  // Ends it with its call (nullopt: whichever call it is), resumable or not, and drops what was not sent. `told`: what
  // the client hears, which the audit writes down.
  void End(std::optional<int64_t> connection, absl::Status why, const absl::Status& told);

  // StreamOutbox::Listener. From the scheduler's threads and, by way of Delivered(), from gRPC's.
  void OnReadable() override;
  void OnRoomChanged(int chunks) override;

  // SessionKeeper.
  absl::Status DeliverChunk(EarlierChunk chunk, ChunkEvent event) override;
  std::optional<StreamEvent> OnEnding(const absl::Status& status) override;

  // DirectoryEntry.
  void OnGraceOver(int64_t turn) override;

 private:
  ServedSession(const CallEnvironment& environment, const SessionPlan& plan, Caller caller, std::string fingerprint,
                absl::Time came_at);

  // A place of its tenant and what counts its chunks; null without a tenant.
  absl::StatusOr<std::shared_ptr<TenantQueue>> TakeTenantPlace(SessionRequest* request);
  // Its id with the scheduler, once that has taken it.
  std::optional<SessionId> scheduled() const;
  // Once it generates no more, if no call is connected.
  void FreeTenantPlace();
  // What follows once the scheduler has it: its encoder or its place among its tenant's that wait, and `started`.
  absl::Status Begin(SessionId session, SessionEncoder* encoder, TenantQueue* queue);
  void SetSession(SessionId session, bool may_begin);
  std::optional<SessionId> Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For the audit: once, and only of a session that the scheduler had.
  void NoteEnd(const absl::Status& status);

  // Constant after construction.
  const CallEnvironment environment_;
  const Caller caller_;  // who started it
  const std::string name_;
  const std::string request_id_;
  const std::string fingerprint_;
  const bool resumable_;
  const int64_t first_sequence_;  // of its first chunk: above 0 in a session that goes on
  const absl::Time came_at_;
  const StartedEvent start_;  // see DescribeStart()
  const std::shared_ptr<StreamOutbox> outbox_;
  const std::shared_ptr<WatchHub> watchers_;  // the outbox's, too

  // One control at a time, and none beside a change of calls, so that what they count is exact. Before mutex_.
  Mutex control_mutex_;
  ControlTaker controls_ ABSL_GUARDED_BY(control_mutex_);

  mutable Mutex mutex_ ABSL_ACQUIRED_AFTER(control_mutex_);
  TenantPlace tenant_place_ ABSL_GUARDED_BY(mutex_);  // while it may generate, with or without a call
  std::weak_ptr<SessionViewer> viewer_ ABSL_GUARDED_BY(mutex_);
  int64_t connection_ ABSL_GUARDED_BY(mutex_) = StreamOutbox::kFirstConnection;
  bool connected_ ABSL_GUARDED_BY(mutex_) = true;
  int64_t wait_turn_ ABSL_GUARDED_BY(mutex_) = 0;  // how often it has been left to wait
  bool over_ ABSL_GUARDED_BY(mutex_) = false;      // nobody can connect any more
  bool end_noted_ ABSL_GUARDED_BY(mutex_) = false;
  bool admitted_ ABSL_GUARDED_BY(mutex_) = false;  // `started` may be sent
  std::optional<SessionId> session_ ABSL_GUARDED_BY(mutex_);
  // Of the latest call.
  int64_t next_sequence_ ABSL_GUARDED_BY(mutex_);
  int64_t controls_before_ ABSL_GUARDED_BY(mutex_);
  // Chunks that were sent, each counted once.
  int64_t chunks_sent_ ABSL_GUARDED_BY(mutex_);
  int64_t deadline_misses_ ABSL_GUARDED_BY(mutex_) = 0;

  // The outbox's last word on its room, kept apart because it may come before Submit() has returned the id. A mutex of
  // its own because OnRoomChanged() comes while the outbox tells, see StreamOutbox::Listener.
  Mutex room_mutex_;
  std::optional<SessionId> filling_session_ ABSL_GUARDED_BY(room_mutex_);
  int room_chunks_ ABSL_GUARDED_BY(room_mutex_) = kUnlimitedRoom;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SERVED_SESSION_H_
