// What a call may ask of gRPC, so that tests can play it.
#ifndef VIDEODIFFCR_SERVER_RPC_CALL_TRANSPORT_H_
#define VIDEODIFFCR_SERVER_RPC_CALL_TRANSPORT_H_

#include "absl/time/time.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"

namespace videodiffcr {

// The gRPC side of a call. The methods return at once; their completion comes back through the call.
class CallTransport {
 public:
  virtual ~CallTransport() = default;
  // The bytes stay until OnWriteDone(). One at a time.
  virtual void Write(const grpc::ByteBuffer* bytes) = 0;
  virtual void Read() = 0;
  // The call's OnAlarm() comes after `from_now`; a moment that was set before is forgotten.
  virtual void SetAlarm(absl::Duration from_now) = 0;
  // Ends the stream at once, whatever is in flight: OnWriteDone() and OnCancel() follow.
  virtual void Cut() = 0;
  // The last operation. The transport may be gone after it.
  virtual void Finish(const grpc::Status& status) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALL_TRANSPORT_H_
