#include "server/rpc/video_call_reactor.h"

#include <utility>

#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

absl::Status Parse(const grpc::ByteBuffer& bytes, int64_t max_bytes, google::protobuf::Message* message) {
  return Guarded("reading a message", [&] { return ParseMessage(bytes, max_bytes, message); });
}

}  // namespace

VideoCallReactor::VideoCallReactor(RpcMethod method, grpc::CallbackServerContext* context, const Entrance& entrance,
                                   Caller caller, const CallEnvironment& environment)
    : CallReactor(context, entrance),
      context_(context),
      method_(method),
      environment_(environment),
      call_(SessionCall::Create(method, std::move(caller), environment, this)) {
  AwaitFirstMessage([weak = std::weak_ptr<SessionCall>(call_)](absl::Status status) {
    if (const std::shared_ptr<SessionCall> call = weak.lock()) call->FailUnstarted(std::move(status));
  });
}

void VideoCallReactor::OnFirstMessage(const grpc::ByteBuffer& bytes) {
  const int64_t max_bytes = environment_.limits.max_first_message_bytes;
  if (method_ == RpcMethod::kGenerateVideo) {
    v1::GenerateVideoRequest request;
    absl::Status status = Parse(bytes, max_bytes, &request);
    if (!status.ok()) return call_->Fail(std::move(status));
    if (request.has_resume() == request.has_config()) {
      return call_->Fail(FieldError("CONFIG_MISSING", "config", request.has_resume() ? "beside resume" : "nothing",
                                    "must be set, or else resume, and not both"));
    }
    return request.has_resume() ? call_->Resume(request.resume()) : call_->Start(request.config());
  }
  v1::StreamVideoRequest request;
  absl::Status status = Parse(bytes, max_bytes, &request);
  if (!status.ok()) return call_->Fail(std::move(status));
  if (request.has_resume()) {
    call_->Resume(request.resume());
    return call_->ReadNext();
  }
  if (!request.has_config()) {
    const auto* field = request.GetDescriptor()->FindFieldByNumber(request.request_case());
    return call_->Fail(FieldError("CONFIG_MISSING", "config", field == nullptr ? "nothing" : field->name(),
                                  "must be the first message, or else resume"));
  }
  call_->Start(request.config());
  call_->ReadNext();
}

void VideoCallReactor::OnNoMessage() {
  call_->Fail(FieldError("CONFIG_MISSING", "config", "",
                         "must be the first message, or else resume, but the stream was closed without one"));
}

void VideoCallReactor::OnNextMessage(const grpc::ByteBuffer& bytes) {
  v1::StreamVideoRequest request;
  absl::Status status = Parse(bytes, environment_.limits.max_control_message_bytes, &request);
  if (status.ok()) {
    call_->Control(request);
  } else {
    environment_.rpc_metrics->CountControl(ControlType::kUnknown, ControlResult::kRejected);
    call_->Fail(std::move(status));
  }
  call_->ReadNext();
}

}  // namespace videodiffcr
