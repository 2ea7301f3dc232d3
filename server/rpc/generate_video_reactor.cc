#include "server/rpc/generate_video_reactor.h"

#include <utility>

#include "server/rpc/message_parsing.h"
#include "system/guarded.h"

namespace videodiffcr {

GenerateVideoReactor::GenerateVideoReactor(grpc::CallbackServerContext* context, const grpc::ByteBuffer& request_bytes,
                                           const CallEnvironment& environment, CallGate* gate)
    : context_(context),
      gate_(gate),
      call_(SessionCall::Create(RpcMethod::kGenerateVideo, context->peer(), environment, this)) {
  gate_->Enter();
  v1::GenerateVideoRequest request;
  absl::Status status = Guarded("reading the request", [&] {
    return ParseMessage(request_bytes, environment.limits.max_first_message_bytes, &request);
  });
  if (status.ok()) {
    call_->Start(request.config());
  } else {
    call_->Fail(std::move(status));
  }
}

void GenerateVideoReactor::OnDone() {
  CallGate* const gate = gate_;
  delete this;
  gate->Leave();
}

}  // namespace videodiffcr
