#include "server/rpc/watch_reactor.h"

#include <utility>

#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "system/guarded.h"

namespace videodiffcr {

WatchReactor::WatchReactor(grpc::CallbackServerContext* context, const Entrance& entrance, Caller caller,
                           const CallEnvironment& environment)
    : CallReactor(context, entrance),
      context_(context),
      environment_(environment),
      call_(WatchCall::Create(std::move(caller), environment, this)) {
  AwaitFirstMessage([weak = std::weak_ptr<WatchCall>(call_)](absl::Status status) {
    if (const std::shared_ptr<WatchCall> call = weak.lock()) call->FailUnstarted(std::move(status));
  });
}

void WatchReactor::OnFirstMessage(const grpc::ByteBuffer& bytes) {
  v1::WatchSessionRequest request;
  absl::Status status = Guarded("reading a message", [&] {
    return ParseMessage(bytes, environment_.limits.max_control_message_bytes, &request);
  });
  return status.ok() ? call_->Start(request) : call_->Fail(std::move(status));
}

void WatchReactor::OnNoMessage() {
  call_->Fail(WithErrorInfo(absl::InvalidArgumentError("the call was closed without a request"), "REQUEST_NOT_SET"));
}

}  // namespace videodiffcr
