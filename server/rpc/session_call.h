// One call of StreamVideo or GenerateVideo, between gRPC's threads and the session that it is connected to
// (served_session.h). The reactor (video_call_reactor.h) turns gRPC's callbacks into the On...() below; this class
// decides.
//
// Thread rule: any method from any thread. All operations on the transport happen under one mutex and never after
// Finish(), so there is at most one write in flight, exactly one Finish, and no read after it.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_CALL_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_CALL_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/call_transport.h"
#include "server/rpc/caller.h"
#include "server/rpc/served_session.h"
#include "server/rpc/session_registry.h"
#include "threading/mutex.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class SessionCall final : public SessionViewer, public std::enable_shared_from_this<SessionCall> {
 public:
  // `transport` lives until its Finish() was called. Shared: the reactor and the session (so the scheduler's threads)
  // reach it, and neither knows who is last.
  static std::shared_ptr<SessionCall> Create(RpcMethod method, Caller caller, const CallEnvironment& environment,
                                             CallTransport* transport);

  // The first message: a new session, or one that goes on. On any error the call ends with it.
  void Start(const v1::SessionConfig& config);
  void Resume(const v1::ResumeRequest& resume);
  bool started() const;

  // A later message of StreamVideo. A message that is not valid ends the call; one that comes too late is a warning.
  void Control(const v1::StreamVideoRequest& request);

  // Asks the transport for the next message unless the call is over.
  void ReadNext();

  // Ends the call and its session with `status`, dropping what was not sent.
  void Fail(absl::Status status);

  // The same for a call that has no first message yet; any other is left alone.
  void FailUnstarted(absl::Status status);

  void OnWriteDone(bool ok);

  // The client is gone or has cancelled.
  void OnCancel();

  // The session is over, and its client has taken nothing of what is left for `idle_timeout`: the call is cut, or its
  // last bytes would lie here for ever.
  void OnAlarm();

  // SessionViewer. From the scheduler's threads and from gRPC's.
  void OnReadable() override;
  void OnSuperseded() override;

 private:
  SessionCall(RpcMethod method, Caller caller, const CallEnvironment& environment, CallTransport* transport);

  // False when the call is over already.
  bool TakeFirstMessage();
  // `came_at`: the first message.
  absl::Status TryStart(const v1::SessionConfig& config, absl::Time came_at);
  absl::Status TryResume(const v1::ResumeRequest& resume);
  // From a snapshot.
  absl::Status TryGoOn(const v1::ResumeRequest& resume, absl::Time came_at);
  // A new session, or, with the same request id and `fingerprint`, the one that is there.
  absl::Status Begin(SessionPlan plan, std::string fingerprint, absl::Time came_at);
  absl::StatusOr<std::shared_ptr<ServedSession>> FindSession(const v1::ResumeRequest& resume) const;
  // Goes on with a session that runs, behind chunk `last_sequence`.
  absl::Status ConnectTo(const std::shared_ptr<ServedSession>& session, std::optional<int64_t> last_sequence);
  absl::Status EnterRegistry();
  // Sends the next event, or the end. An error, for lost memory, is for the caller to Fail() with, without the mutex.
  absl::Status Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TryPump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status PackStarted(StartedEvent started) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status PackEvent(OutgoingEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Once nothing more comes of the session: gives the client `idle_timeout` for the next write.
  void WatchLastBytes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `end_session`: what is said ends the session, too.
  void FailIf(bool may_have_started, bool end_session, absl::Status status);
  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const RpcMethod method_;
  const Caller caller_;
  const CallEnvironment environment_;

  mutable Mutex mutex_;
  CallTransport* const transport_ ABSL_PT_GUARDED_BY(mutex_);
  SessionRegistry::Slot slot_ ABSL_GUARDED_BY(mutex_);
  bool started_ ABSL_GUARDED_BY(mutex_) = false;  // the first message was taken; it may still be refused
  bool told_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_event_ ABSL_GUARDED_BY(mutex_) = false;  // of the outbox
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> failure_ ABSL_GUARDED_BY(mutex_);  // waits for the write in flight
  std::shared_ptr<ServedSession> session_ ABSL_GUARDED_BY(mutex_);
  int64_t session_connection_ ABSL_GUARDED_BY(mutex_) = StreamOutbox::kFirstConnection;
  grpc::ByteBuffer response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_CALL_H_
