#include "server/rpc/video_service.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "server/rpc/audit_log.h"
#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "server/rpc/server_info_reactor.h"
#include "server/rpc/status_conversion.h"
#include "server/rpc/video_call_reactor.h"

namespace videodiffcr {
namespace {

// A call that ends as soon as it began.
class RefusedCall final : public RawBidiReactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

absl::Status StillLoading() {
  return WithRetryInfo(
      WithErrorInfo(absl::UnavailableError("the model is being loaded; wait until the health service says SERVING"),
                    "MODEL_LOADING"),
      absl::Seconds(1));
}

}  // namespace

VideoService::VideoService(const RpcLimits& limits, const OutboxLimits& outbox_limits, const ServerFacts& facts,
                           Clock* clock, RpcMetrics* rpc_metrics, bool log_prompts)
    : facts_(facts),
      rpc_metrics_(rpc_metrics),
      registry_(limits.behind_proxy ? std::numeric_limits<int>::max() : limits.max_sessions_per_connection),
      room_(static_cast<size_t>(limits.max_streams_in_first_message)),
      gate_(clock) {
  environment_.limits = limits;
  environment_.outbox_limits = outbox_limits;
  environment_.idle_timeout = facts.idle_timeout;
  environment_.clock = clock;
  environment_.registry = &registry_;
  environment_.rpc_metrics = rpc_metrics;
  environment_.log_prompts = log_prompts;
  AddCall("/videodiffcr.v1.VideoGenerationService/StreamVideo", RpcMethod::kStreamVideo);
  AddCall("/videodiffcr.v1.VideoGenerationService/GenerateVideo", RpcMethod::kGenerateVideo);
  AddCall("/videodiffcr.v1.VideoGenerationService/GetServerInfo", RpcMethod::kGetServerInfo);
}

void VideoService::AddCall(const char* path, RpcMethod method) {
  const int index = calls_added_++;
  AddMethod(new grpc::internal::RpcServiceMethod(path, grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
  MarkMethodRawCallback(index,
                        new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                            [this, method](grpc::CallbackServerContext* context) { return Begin(method, context); }));
}

RawBidiReactor* VideoService::Begin(RpcMethod method, grpc::CallbackServerContext* context) {
  Caller caller;
  absl::Status refusal = IdentifyCaller(*context, environment_.access, &caller);
  if (refusal.ok() && !serving_.load(std::memory_order_acquire)) refusal = StillLoading();
  if (!refusal.ok()) return Refuse(method, caller, refusal);
  const CallReactor::Entrance entrance = {environment_.limits.first_message_timeout, &room_, &gate_};
  if (method != RpcMethod::kGetServerInfo) {
    return new VideoCallReactor(method, context, entrance, std::move(caller), environment_);
  }
  return new ServerInfoReactor(
      context, entrance,
      [this](const grpc::ByteBuffer& request, grpc::ByteBuffer* response) {
        return AnswerServerInfo(request, response);
      },
      rpc_metrics_);
}

void VideoService::StartServing(const VideoModel* model, Scheduler* scheduler, DeliveryMetrics* delivery_metrics) {
  environment_.model = model;
  environment_.scheduler = scheduler;
  environment_.delivery_metrics = delivery_metrics;
  serving_.store(true, std::memory_order_release);
}

RawBidiReactor* VideoService::Refuse(RpcMethod method, const Caller& caller, const absl::Status& why) {
  rpc_metrics_->CountCall(method, why.code());
  LogCallRefused(caller, why, environment_.log_prompts);
  return new RefusedCall(ToGrpcStatus(why));
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
