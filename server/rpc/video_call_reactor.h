// StreamVideo and GenerateVideo as gRPC sees them: request bytes parsed and handed to the SessionCall, and what that
// says written.
#ifndef VIDEODIFFCR_SERVER_RPC_VIDEO_CALL_REACTOR_H_
#define VIDEODIFFCR_SERVER_RPC_VIDEO_CALL_REACTOR_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "server/rpc/call_alarm.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/call_reactor.h"
#include "server/rpc/session_call.h"

namespace videodiffcr {

class VideoCallReactor final : public CallReactor, public CallTransport {
 public:
  // `environment` and what is in `entrance` outlive the call.
  VideoCallReactor(RpcMethod method, grpc::CallbackServerContext* context, const Entrance& entrance, Caller caller,
                   const CallEnvironment& environment);

 private:
  // CallTransport, called by call_. What gRPC throws (it has no memory) leaves its connections in a state that nobody
  // knows, so whoever would catch it on the way up does not get it: the process ends.
  void Write(const grpc::ByteBuffer* bytes) noexcept override { StartWrite(bytes); }
  void Read() noexcept override { ReadNextMessage(); }
  void SetAlarm(absl::Duration from_now) noexcept override { alarm_.Set(from_now, call_); }
  void Cut() noexcept override { context_->TryCancel(); }
  void Finish(const grpc::Status& status) noexcept override { RawBidiReactor::Finish(status); }

  // CallReactor.
  void OnFirstMessage(const grpc::ByteBuffer& bytes) override;
  void OnNoMessage() override;
  void OnThrown(absl::Status status) override { call_->Fail(std::move(status)); }
  void OnNextMessage(const grpc::ByteBuffer& bytes) override;

  // Called by gRPC.
  void OnWriteDone(bool ok) override { call_->OnWriteDone(ok); }
  void OnCancel() override { call_->OnCancel(); }

  grpc::CallbackServerContext* const context_;
  const RpcMethod method_;
  const CallEnvironment& environment_;
  const std::shared_ptr<SessionCall> call_;
  CallAlarm alarm_;  // call_'s
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_VIDEO_CALL_REACTOR_H_
