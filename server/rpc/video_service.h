// The three calls of videodiffcr.v1.VideoGenerationService, on gRPC's callback API with raw request bytes
// (message_parsing.h says why). Each only finds out whether the server serves, and makes the object that does the work.
#ifndef VIDEODIFFCR_SERVER_RPC_VIDEO_SERVICE_H_
#define VIDEODIFFCR_SERVER_RPC_VIDEO_SERVICE_H_

#include <atomic>

#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/response_conversion.h"
#include "server/rpc/rpc_metrics.h"
#include "server/rpc/session_call.h"
#include "server/rpc/session_registry.h"
#include "threading/clock.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

using RawVideoGenerationService = v1::VideoGenerationService::WithRawCallbackMethod_StreamVideo<
    v1::VideoGenerationService::WithRawCallbackMethod_GenerateVideo<
        v1::VideoGenerationService::WithRawCallbackMethod_GetServerInfo<v1::VideoGenerationService::Service>>>;

// Any thread, but StartServing() once.
class VideoService final : public RawVideoGenerationService {
 public:
  // `clock` and `rpc_metrics` outlive the service. Until StartServing() every call is answered UNAVAILABLE
  // (MODEL_LOADING).
  VideoService(const RpcLimits& limits, const OutboxLimits& outbox_limits, const ServerFacts& facts, Clock* clock,
               RpcMetrics* rpc_metrics);

  // All three outlive the service's calls.
  void StartServing(const VideoModel* model, Scheduler* scheduler, DeliveryMetrics* delivery_metrics);

  // Until every call has sent its last byte, or until `deadline`. Whether all have.
  bool WaitForCalls(absl::Time deadline) { return gate_.WaitUntilEmpty(deadline); }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StreamVideo(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerateVideo(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;

 private:
  // Counts the refusal; for calls before StartServing().
  grpc::Status Refuse(RpcMethod method);
  absl::Status AnswerServerInfo(const grpc::ByteBuffer& request, grpc::ByteBuffer* response) const;

  const ServerFacts facts_;
  RpcMetrics* const rpc_metrics_;
  SessionRegistry registry_;
  CallGate gate_;
  CallEnvironment environment_;  // written by StartServing(), constant once serving_ is set
  std::atomic<bool> serving_ = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_VIDEO_SERVICE_H_
