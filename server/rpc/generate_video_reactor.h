// GenerateVideo as gRPC sees it: one request, then what the SessionCall says.
#ifndef VIDEODIFFCR_SERVER_RPC_GENERATE_VIDEO_REACTOR_H_
#define VIDEODIFFCR_SERVER_RPC_GENERATE_VIDEO_REACTOR_H_

#include <memory>

#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/rpc/call_alarm.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/session_call.h"

namespace videodiffcr {

// Lives from the call's beginning to gRPC's OnDone(), which deletes it.
class GenerateVideoReactor final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public CallTransport {
 public:
  // `environment` and `gate` outlive the call.
  GenerateVideoReactor(grpc::CallbackServerContext* context, const grpc::ByteBuffer& request_bytes,
                       const CallEnvironment& environment, CallGate* gate);

 private:
  // CallTransport, called by call_.
  void Write(const grpc::ByteBuffer* bytes) override { StartWrite(bytes); }
  void Read() override {}  // there is nothing more to read in this call
  void SetAlarm(absl::Duration from_now) override { alarm_.Set(from_now, call_); }
  void Cut() override { context_->TryCancel(); }
  void Finish(const grpc::Status& status) override { ServerWriteReactor::Finish(status); }

  // Called by gRPC.
  void OnWriteDone(bool ok) override { call_->OnWriteDone(ok); }
  void OnCancel() override { call_->OnCancel(); }
  void OnDone() override;

  grpc::CallbackServerContext* const context_;
  CallGate* const gate_;
  const std::shared_ptr<SessionCall> call_;
  CallAlarm alarm_;  // call_'s
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_GENERATE_VIDEO_REACTOR_H_
