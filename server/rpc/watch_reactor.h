// WatchSession as gRPC sees it: the request parsed and handed to the WatchCall, and what that says written.
#ifndef VIDEODIFFCR_SERVER_RPC_WATCH_REACTOR_H_
#define VIDEODIFFCR_SERVER_RPC_WATCH_REACTOR_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "server/rpc/call_alarm.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/call_reactor.h"
#include "server/rpc/call_transport.h"
#include "server/rpc/watch_call.h"

namespace videodiffcr {

class WatchReactor final : public CallReactor, public CallTransport {
 public:
  // `environment` and what is in `entrance` outlive the call.
  WatchReactor(grpc::CallbackServerContext* context, const Entrance& entrance, Caller caller,
               const CallEnvironment& environment);

 private:
  // CallTransport, called by call_. noexcept: see video_call_reactor.h.
  void Write(const grpc::ByteBuffer* bytes) noexcept override { StartWrite(bytes); }
  void Read() noexcept override {}
  void SetAlarm(absl::Duration from_now) noexcept override { alarm_.Set(from_now, call_); }
  void Cut() noexcept override { context_->TryCancel(); }
  void Finish(const grpc::Status& status) noexcept override { RawBidiReactor::Finish(status); }

  // CallReactor.
  void OnFirstMessage(const grpc::ByteBuffer& bytes) override;
  void OnNoMessage() override;
  void OnThrown(absl::Status status) override { call_->Fail(std::move(status)); }

  // Called by gRPC.
  void OnWriteDone(bool ok) override { call_->OnWriteDone(ok); }
  void OnCancel() override { call_->OnCancel(); }

  grpc::CallbackServerContext* const context_;
  const CallEnvironment& environment_;
  const std::shared_ptr<WatchCall> call_;
  CallAlarm alarm_;  // call_'s
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_WATCH_REACTOR_H_
