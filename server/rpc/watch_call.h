// One call of WatchSession: chunks of a session on their way to a viewer who has no say in it.
//
// Thread rule: any method from any thread, as in session_call.h.
#ifndef VIDEODIFFCR_SERVER_RPC_WATCH_CALL_H_
#define VIDEODIFFCR_SERVER_RPC_WATCH_CALL_H_

#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/call_transport.h"
#include "server/rpc/caller.h"
#include "server/rpc/watch_hub.h"
#include "threading/mutex.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class WatchCall final : public Watcher, public std::enable_shared_from_this<WatchCall> {
 public:
  // Chunks that wait behind the one in flight; one more, and they are skipped for it.
  static constexpr size_t kMaxWaiting = 2;

  // `transport` lives until its Finish() was called. Shared: the reactor and the session reach it.
  static std::shared_ptr<WatchCall> Create(Caller caller, const CallEnvironment& environment, CallTransport* transport);
  ~WatchCall() override;

  // The first message. On any error the call ends with it.
  void Start(const v1::WatchSessionRequest& request);
  void Fail(absl::Status status);
  void FailUnstarted(absl::Status status);
  void OnWriteDone(bool ok);
  void OnCancel();
  // Its client has taken nothing of what is left of a session that is over.
  void OnAlarm();

  // Watcher.
  void OnChunk(const grpc::ByteBuffer& bytes) override;
  void OnEnd(const absl::Status& status, const grpc::ByteBuffer* finished) override;

 private:
  WatchCall(Caller caller, const CallEnvironment& environment, CallTransport* transport);
  absl::Status TryStart(const v1::WatchSessionRequest& request);
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Caller caller_;
  const CallEnvironment environment_;
  Mutex mutex_;
  CallTransport* const transport_ ABSL_PT_GUARDED_BY(mutex_);
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool watched_ ABSL_GUARDED_BY(mutex_) = false;  // a call that never is was refused
  WatcherRegistry::Slot slot_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool took_chunk_ ABSL_GUARDED_BY(mutex_) = false;  // the first one, which has the init segment, is never skipped
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<grpc::ByteBuffer> waiting_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::ByteBuffer> last_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  grpc::ByteBuffer response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_WATCH_CALL_H_
