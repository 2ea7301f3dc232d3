#include "server/rpc/call_reactor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/grpc_deadline.h"
#include "server/rpc/error_details.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

absl::Status TimedOut(absl::Duration timeout) {
  return WithErrorInfo(
      absl::DeadlineExceededError(absl::StrCat("no whole first message within ", absl::FormatDuration(timeout),
                                               "; send it when you open the call")),
      "FIRST_MESSAGE_TIMEOUT");
}

absl::Status CrowdedOut() {
  return WithErrorInfo(
      absl::ResourceExhaustedError("too many calls have not sent their first message; send it when you open the call"),
      "TOO_MANY_SILENT_CALLS");
}

}  // namespace

CallReactor::CallReactor(grpc::CallbackServerContext* context, const Entrance& entrance)
    : context_(context), entrance_(entrance) {}

void CallReactor::AwaitFirstMessage(std::function<void(absl::Status)> fail) {
  const absl::Duration timeout = entrance_.first_message_timeout;
  alarm_.Set(GrpcDeadline(timeout), [fail, timeout](bool expired) {
    if (expired) fail(TimedOut(timeout));
  });
  place_ = entrance_.room->Enter(context_->peer(), [fail = std::move(fail)] { fail(CrowdedOut()); });
  ReadNextMessage();
}

void CallReactor::OnReadDone(bool ok) {
  absl::Status status = Guarded("taking a message", [&] { TakeMessage(ok); });
  // gRPC would swallow what is thrown, and nobody would ever answer.
  if (!status.ok()) OnThrown(std::move(status));
}

void CallReactor::TakeMessage(bool ok) {
  if (has_first_message_) {
    if (ok) {
      const grpc::ByteBuffer bytes = std::exchange(request_bytes_, grpc::ByteBuffer());
      OnNextMessage(bytes);
    }
    return;
  }
  alarm_.Cancel();
  place_.Release();
  if (!ok) {
    // After a cancel the method's OnCancel() decides.
    if (!context_->IsCancelled()) OnNoMessage();
    return;
  }
  entrance_.gate->Enter();  // only now: a drain need not wait for those who say nothing
  has_first_message_ = true;
  const grpc::ByteBuffer bytes = std::exchange(request_bytes_, grpc::ByteBuffer());
  OnFirstMessage(bytes);
}

void CallReactor::OnDone() {
  CallGate* const gate = has_first_message_ ? entrance_.gate : nullptr;
  delete this;
  if (gate != nullptr) gate->Leave();
}

}  // namespace videodiffcr
