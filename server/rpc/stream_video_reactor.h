// StreamVideo as gRPC sees it: reads request bytes, parses them, hands them to the SessionCall, and writes what that
// says.
#ifndef VIDEODIFFCR_SERVER_RPC_STREAM_VIDEO_REACTOR_H_
#define VIDEODIFFCR_SERVER_RPC_STREAM_VIDEO_REACTOR_H_

#include <memory>

#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/rpc/call_alarm.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/session_call.h"

namespace videodiffcr {

// Lives from the call's beginning to gRPC's OnDone(), which deletes it.
class StreamVideoReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                                 public CallTransport {
 public:
  // `environment` and `gate` outlive the call.
  StreamVideoReactor(grpc::CallbackServerContext* context, const CallEnvironment& environment, CallGate* gate);

 private:
  // CallTransport, called by call_.
  void Write(const grpc::ByteBuffer* bytes) override { StartWrite(bytes); }
  void Read() override { StartRead(&request_bytes_); }
  void SetAlarm(absl::Duration from_now) override { alarm_.Set(from_now, call_); }
  void Cut() override { context_->TryCancel(); }
  void Finish(const grpc::Status& status) override { ServerBidiReactor::Finish(status); }

  // Called by gRPC.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override { call_->OnWriteDone(ok); }
  void OnCancel() override { call_->OnCancel(); }
  void OnDone() override;

  void OnFirstMessage(const v1::StreamVideoRequest& request);

  grpc::CallbackServerContext* const context_;
  const CallEnvironment& environment_;
  CallGate* const gate_;
  const std::shared_ptr<SessionCall> call_;
  CallAlarm alarm_;  // call_'s
  grpc::Alarm first_message_alarm_;
  bool entered_ = false;            // the gate; only in OnReadDone() and OnDone()
  grpc::ByteBuffer request_bytes_;  // gRPC's between Read() and OnReadDone()
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_STREAM_VIDEO_REACTOR_H_
