// One session of one call, between gRPC's threads and the scheduler's. The reactors (stream_video_reactor.h,
// generate_video_reactor.h) turn gRPC's callbacks into the On...() below; this class decides.
//
// Thread rule: any method from any thread. All operations on the transport happen under one mutex and never after
// Finish(), so there is at most one write in flight, exactly one Finish, and no read after it.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_CALL_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_CALL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"
#include "model/api/video_model.h"
#include "scheduler/scheduler.h"
#include "server/delivery/delivery_metrics.h"
#include "server/delivery/stream_outbox.h"
#include "server/rpc/caller.h"
#include "server/rpc/request_conversion.h"
#include "server/rpc/rpc_limits.h"
#include "server/rpc/rpc_metrics.h"
#include "server/rpc/session_registry.h"
#include "server/rpc/tenant_quota.h"
#include "server/rpc/token_bucket.h"
#include "threading/clock.h"
#include "threading/mutex.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// What every call needs; all of it outlives the calls.
struct CallEnvironment {
  RpcLimits limits;
  OutboxLimits outbox_limits;
  absl::Duration idle_timeout;  // SchedulerConfig's; 0: none
  const VideoModel* model = nullptr;
  Scheduler* scheduler = nullptr;
  const Clock* clock = nullptr;
  SessionRegistry* registry = nullptr;
  RpcMetrics* rpc_metrics = nullptr;
  Access access;
  DeliveryMetrics* delivery_metrics = nullptr;
  bool log_prompts = false;  // refusals in the log quote what the client sent
};

// The gRPC side of a call. The methods return at once; their completion comes back through SessionCall.
class CallTransport {
 public:
  virtual ~CallTransport() = default;
  // The bytes stay until OnWriteDone(). One at a time.
  virtual void Write(const grpc::ByteBuffer* bytes) = 0;
  virtual void Read() = 0;
  // SessionCall::OnAlarm() comes after `from_now`; a moment that was set before is forgotten.
  virtual void SetAlarm(absl::Duration from_now) = 0;
  // Ends the stream at once, whatever is in flight: OnWriteDone() and OnCancel() follow.
  virtual void Cut() = 0;
  // The last operation. The transport may be gone after it.
  virtual void Finish(const grpc::Status& status) = 0;
};

class SessionCall final : public StreamOutbox::Listener, public std::enable_shared_from_this<SessionCall> {
 public:
  // `transport` lives until its Finish() was called. Shared: the reactor and the
  // outbox (so the scheduler's threads) reach it, and neither knows who is last.
  static std::shared_ptr<SessionCall> Create(RpcMethod method, Caller caller, const CallEnvironment& environment,
                                             CallTransport* transport);

  // The first message. On any error the call ends with it.
  void Start(const v1::SessionConfig& config);
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

  // StreamOutbox::Listener. From the scheduler's threads and, by way of OnWriteDone(), from gRPC's.
  void OnReadable() override;
  void OnBlockedChanged(bool blocked) override;

 private:
  SessionCall(RpcMethod method, Caller caller, const CallEnvironment& environment, CallTransport* transport);

  // `came_at`: the first message.
  absl::Status TryStart(const v1::SessionConfig& config, absl::Time came_at);
  // All but the codec string, which only an encoder knows.
  StartedEvent DescribeStart(const SessionPlan& plan) const;
  void SetSession(SessionId session, const std::string& codec_string, bool may_begin);
  absl::Status TryControl(const v1::StreamVideoRequest& request, SessionId session);
  absl::Status ChangeSession(absl::StatusOr<CheckedChange> change, SessionId session);
  void Warn(std::string reason, std::string message, std::vector<std::string> details);
  void WarnUnknownWords(std::vector<std::string> unknown_words);
  void WarnCutPrompt(int tokens);
  // Sends the next event, or the end. An error, for lost memory, is for the caller to Fail() with, without the mutex.
  absl::Status Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Once nothing more comes of the session: gives the client `idle_timeout` for the next write.
  void WatchLastBytes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailIf(bool may_have_started, absl::Status status);
  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const RpcMethod method_;
  const Caller caller_;
  const CallEnvironment environment_;
  const std::string name_;  // of the session, in logs and in `started`
  const std::shared_ptr<StreamOutbox> outbox_;

  // Only in Control(), which gRPC never calls twice at once.
  TokenBucket control_allowance_;

  mutable Mutex mutex_;
  CallTransport* const transport_ ABSL_PT_GUARDED_BY(mutex_);
  SessionRegistry::Slot slot_ ABSL_GUARDED_BY(mutex_);
  TenantPlace tenant_place_ ABSL_GUARDED_BY(mutex_);
  bool started_ ABSL_GUARDED_BY(mutex_) = false;  // the first message was taken; it may still be refused
  absl::Time first_message_at_ ABSL_GUARDED_BY(mutex_);
  bool admitted_ ABSL_GUARDED_BY(mutex_) = false;  // `started` may be sent
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> failure_ ABSL_GUARDED_BY(mutex_);  // waits for the write in flight
  std::optional<SessionId> session_ ABSL_GUARDED_BY(mutex_);
  std::string codec_string_ ABSL_GUARDED_BY(mutex_);
  int64_t chunks_written_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t deadline_misses_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::ByteBuffer response_ ABSL_GUARDED_BY(mutex_);

  // The outbox's last word on its watermarks, kept apart because it may come before Submit() has returned the id. A
  // mutex of its own because OnBlockedChanged() comes while the outbox tells, see StreamOutbox::Listener.
  Mutex blocked_mutex_;
  std::optional<SessionId> blockable_session_ ABSL_GUARDED_BY(blocked_mutex_);
  bool blocked_ ABSL_GUARDED_BY(blocked_mutex_) = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_CALL_H_
