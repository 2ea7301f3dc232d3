// A call as gRPC sees it, up to and including its first message, which every method has and nobody may keep us waiting
// for. What comes then is the method's: video_call_reactor.h, watch_reactor.h, unary_reactor.h.
#ifndef VIDEODIFFCR_SERVER_RPC_CALL_REACTOR_H_
#define VIDEODIFFCR_SERVER_RPC_CALL_REACTOR_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/first_message_room.h"

namespace videodiffcr {

using RawBidiReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// Lives from the call's beginning to gRPC's OnDone(), which deletes it.
class CallReactor : public RawBidiReactor {
 public:
  // All of it outlives the call.
  struct Entrance {
    absl::Duration first_message_timeout;
    FirstMessageRoom* room = nullptr;
    CallGate* gate = nullptr;
  };

 protected:
  CallReactor(grpc::CallbackServerContext* context, const Entrance& entrance);

  // Call it last in the constructor. `fail` ends the call with a status, unless it has its first message or is over. It
  // may be called from any thread at any time, also after this object is gone.
  void AwaitFirstMessage(std::function<void(absl::Status)> fail);

  // Called once at most, in turn with OnNextMessage().
  virtual void OnFirstMessage(const grpc::ByteBuffer& bytes) = 0;
  // The client closed its side without a message and has not cancelled.
  virtual void OnNoMessage() = 0;
  // Later ones, as far as the method reads on.
  virtual void OnNextMessage(const grpc::ByteBuffer& /*bytes*/) {}

  // Where the next message goes.
  void ReadNextMessage() { StartRead(&request_bytes_); }

  // One of those has thrown: ends the call with `status`, unless it is over.
  virtual void OnThrown(absl::Status status) = 0;

 private:
  // Called by gRPC.
  void OnReadDone(bool ok) final;
  void OnDone() final;

  void TakeMessage(bool ok);

  grpc::CallbackServerContext* const context_;
  const Entrance entrance_;
  FirstMessageRoom::Place place_;
  grpc::Alarm alarm_;
  bool has_first_message_ = false;  // and has entered the gate; only in OnReadDone() and OnDone()
  grpc::ByteBuffer request_bytes_;  // gRPC's between ReadNextMessage() and OnReadDone()
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALL_REACTOR_H_
