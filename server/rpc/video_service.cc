#include "server/rpc/video_service.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "proto/status_details.h"
#include "server/rpc/audit_log.h"
#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "server/rpc/session_requests.h"
#include "server/rpc/status_conversion.h"
#include "server/rpc/unary_reactor.h"
#include "server/rpc/video_call_reactor.h"
#include "server/rpc/watch_reactor.h"

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
                    error_reason::kModelLoading),
      absl::Seconds(1));
}

// One answer of a unary call: parses, asks `answer`, packs.
template <typename Request, typename Response, typename Function>
absl::Status AnswerWith(const grpc::ByteBuffer& request_bytes, int64_t max_bytes, grpc::ByteBuffer* response_bytes,
                        const Function& answer) {
  Request request;
  if (absl::Status status = ParseMessage(request_bytes, max_bytes, &request); !status.ok()) return status;
  Response response;
  if (absl::Status status = answer(request, &response); !status.ok()) return status;
  bool own_buffer;
  grpc::SerializationTraits<Response>::Serialize(response, response_bytes, &own_buffer);
  return absl::OkStatus();
}

}  // namespace

VideoService::VideoService(const RpcLimits& limits, const OutboxLimits& outbox_limits, const ServerFacts& facts,
                           std::string session_key, SnapshotSeal snapshot_seal, Clock* clock, RpcMetrics* rpc_metrics,
                           bool log_prompts)
    : facts_(facts),
      rpc_metrics_(rpc_metrics),
      registry_(limits.behind_proxy ? std::numeric_limits<int>::max() : limits.max_sessions_per_connection),
      watcher_registry_(limits.max_watchers, rpc_metrics->watchers),
      directory_(limits.disconnect_grace, limits.replay_memory_bytes, clock),
      tokens_(std::move(session_key)),
      snapshot_seal_(std::move(snapshot_seal)),
      room_(static_cast<size_t>(limits.max_streams_in_first_message)),
      gate_(clock) {
  environment_.limits = limits;
  environment_.outbox_limits = outbox_limits;
  environment_.replay_limits = facts.replay;
  environment_.idle_timeout = facts.idle_timeout;
  environment_.clock = clock;
  environment_.registry = &registry_;
  environment_.watcher_registry = &watcher_registry_;
  environment_.directory = &directory_;
  environment_.tokens = &tokens_;
  environment_.snapshot_seal = &snapshot_seal_;
  environment_.rpc_metrics = rpc_metrics;
  environment_.log_prompts = log_prompts;
  AddCall("/videodiffcr.v1.VideoGenerationService/StreamVideo", RpcMethod::kStreamVideo);
  AddCall("/videodiffcr.v1.VideoGenerationService/GenerateVideo", RpcMethod::kGenerateVideo);
  AddCall("/videodiffcr.v1.VideoGenerationService/UpdateSession", RpcMethod::kUpdateSession);
  AddCall("/videodiffcr.v1.VideoGenerationService/CancelSession", RpcMethod::kCancelSession);
  AddCall("/videodiffcr.v1.VideoGenerationService/WatchSession", RpcMethod::kWatchSession);
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
  if (method == RpcMethod::kStreamVideo || method == RpcMethod::kGenerateVideo) {
    return new VideoCallReactor(method, context, entrance, std::move(caller), environment_);
  }
  if (method == RpcMethod::kWatchSession) {
    return new WatchReactor(context, entrance, std::move(caller), environment_);
  }
  return new UnaryReactor(
      method, context, entrance, environment_.idle_timeout,
      [this, method, caller = std::move(caller)](const grpc::ByteBuffer& request, grpc::ByteBuffer* response) {
        absl::Status status = Answer(method, caller, request, response);
        if (absl::IsUnauthenticated(status)) LogCallRefused(caller, status, environment_.log_prompts);
        return status;
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

absl::Status VideoService::Answer(RpcMethod method, const Caller& caller, const grpc::ByteBuffer& request_bytes,
                                  grpc::ByteBuffer* response_bytes) const {
  const int64_t max_bytes = environment_.limits.max_control_message_bytes;
  switch (method) {
    case RpcMethod::kUpdateSession:
      return AnswerWith<v1::UpdateSessionRequest, v1::UpdateSessionResponse>(
          request_bytes, max_bytes, response_bytes,
          [&](const auto& request, auto*) { return UpdateSession(environment_, caller, request); });
    case RpcMethod::kCancelSession:
      return AnswerWith<v1::CancelSessionRequest, v1::CancelSessionResponse>(
          request_bytes, max_bytes, response_bytes,
          [&](const auto& request, auto*) { return CancelSession(environment_, caller, request); });
    default:
      return AnswerWith<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
          request_bytes, max_bytes, response_bytes, [&](const auto&, v1::GetServerInfoResponse* response) {
            *response =
                ToServerInfo(environment_.model->info(), environment_.limits, facts_, environment_.scheduler->load());
            if (caller.tenant != nullptr) AddTenantLimits(caller.tenant->limits(), response->mutable_limits());
            return absl::OkStatus();
          });
  }
}

}  // namespace videodiffcr
