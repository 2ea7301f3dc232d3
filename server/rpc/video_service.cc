#include "server/rpc/video_service.h"

#include "absl/status/status.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/rpc/error_details.h"
#include "server/rpc/generate_video_reactor.h"
#include "server/rpc/message_parsing.h"
#include "server/rpc/status_conversion.h"
#include "server/rpc/stream_video_reactor.h"

namespace videodiffcr {
namespace {

// A call that ends as soon as it began.
template <typename Reactor>
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

VideoService::VideoService(const RpcLimits& limits, const OutboxLimits& outbox_limits, const ServerFacts& facts,
                           Clock* clock, RpcMetrics* rpc_metrics)
    : facts_(facts), rpc_metrics_(rpc_metrics), registry_(limits.max_sessions_per_connection), gate_(clock) {
  environment_.limits = limits;
  environment_.outbox_limits = outbox_limits;
  environment_.idle_timeout = facts.idle_timeout;
  environment_.clock = clock;
  environment_.registry = &registry_;
  environment_.rpc_metrics = rpc_metrics;
}

void VideoService::StartServing(const VideoModel* model, Scheduler* scheduler, DeliveryMetrics* delivery_metrics) {
  environment_.model = model;
  environment_.scheduler = scheduler;
  environment_.delivery_metrics = delivery_metrics;
  serving_.store(true, std::memory_order_release);
}

grpc::Status VideoService::Refuse(RpcMethod method) {
  rpc_metrics_->CountCall(method, absl::StatusCode::kUnavailable);
  return ToGrpcStatus(WithRetryInfo(
      WithErrorInfo(absl::UnavailableError("the model is being loaded; wait until the health service says SERVING"),
                    "MODEL_LOADING"),
      absl::Seconds(1)));
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* VideoService::StreamVideo(
    grpc::CallbackServerContext* context) {
  if (!serving_.load(std::memory_order_acquire)) {
    return new RefusedCall<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>>(
        Refuse(RpcMethod::kStreamVideo));
  }
  return new StreamVideoReactor(context, environment_, &gate_);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* VideoService::GenerateVideo(grpc::CallbackServerContext* context,
                                                                        const grpc::ByteBuffer* request) {
  if (!serving_.load(std::memory_order_acquire)) {
    return new RefusedCall<grpc::ServerWriteReactor<grpc::ByteBuffer>>(Refuse(RpcMethod::kGenerateVideo));
  }
  return new GenerateVideoReactor(context, *request, environment_, &gate_);
}

grpc::ServerUnaryReactor* VideoService::GetServerInfo(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (!serving_.load(std::memory_order_acquire)) {
    reactor->Finish(Refuse(RpcMethod::kGetServerInfo));
    return reactor;
  }
  const absl::Status status = AnswerServerInfo(*request, response);
  rpc_metrics_->CountCall(RpcMethod::kGetServerInfo, status.code());
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

absl::Status VideoService::AnswerServerInfo(const grpc::ByteBuffer& request_bytes,
                                            grpc::ByteBuffer* response_bytes) const {
  v1::GetServerInfoRequest request;
  absl::Status status = ParseMessage(request_bytes, environment_.limits.max_control_message_bytes, &request);
  if (!status.ok()) return status;
  const v1::GetServerInfoResponse response =
      ToServerInfo(environment_.model->info(), environment_.limits, facts_, environment_.scheduler->load());
  bool own_buffer;
  grpc::SerializationTraits<v1::GetServerInfoResponse>::Serialize(response, response_bytes, &own_buffer);
  return absl::OkStatus();
}

}  // namespace videodiffcr
