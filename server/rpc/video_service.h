// The calls of videodiffcr.v1.VideoGenerationService, on gRPC's callback API with raw request bytes
// (message_parsing.h says why). Each only finds out whether the server serves, and makes the object that does the work.
//
// To gRPC all are streams in both directions, whatever the proto says: on the wire there is no difference, and of
// a unary request we would not hear until it is whole, so nobody could be told that it takes too long.
#ifndef VIDEODIFFCR_SERVER_RPC_VIDEO_SERVICE_H_
#define VIDEODIFFCR_SERVER_RPC_VIDEO_SERVICE_H_

#include <atomic>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/call_reactor.h"
#include "server/rpc/first_message_room.h"
#include "server/rpc/response_conversion.h"
#include "server/rpc/rpc_metrics.h"
#include "server/rpc/session_directory.h"
#include "server/rpc/session_registry.h"
#include "server/rpc/session_snapshot.h"
#include "server/rpc/session_token.h"
#include "server/rpc/watcher_registry.h"
#include "threading/clock.h"

namespace videodiffcr {

// Any thread, but StartServing() once.
class VideoService final : public grpc::Service {
 public:
  // `clock` and `rpc_metrics` outlive the service. Until StartServing() every call is answered UNAVAILABLE
  // (MODEL_LOADING).
  // `session_key`: what tokens of sessions are made with; nobody else knows it. `snapshot_seal`: of this server's
  // model.
  VideoService(const RpcLimits& limits, const OutboxLimits& outbox_limits, const ServerFacts& facts,
               std::string session_key, SnapshotSeal snapshot_seal, Clock* clock, RpcMetrics* rpc_metrics,
               bool log_prompts);

  // Before calls come. By default everybody may call, which only tests want.
  void CheckAccess(const Access& access) { environment_.access = access; }

  // Before calls come. What leads a call to this server, see SessionTokens; by default nothing.
  void SetRoute(std::string route) { tokens_.SetRoute(std::move(route)); }

  // All three outlive the service's calls.
  void StartServing(const VideoModel* model, Scheduler* scheduler, DeliveryMetrics* delivery_metrics);

  // Calls that have sent their first message and are not over; calls that have ever begun.
  int open_calls() { return gate_.open_calls(); }
  int64_t calls_begun() { return room_.entered(); }

  // Until every call has sent its last byte, or until `deadline`. Whether all have.
  bool WaitForCalls(absl::Time deadline) { return gate_.WaitUntilEmpty(deadline); }

 private:
  // `path` stays for as long as the service.
  void AddCall(const char* path, RpcMethod method);
  RawBidiReactor* Begin(RpcMethod method, grpc::CallbackServerContext* context);
  // Counts the refusal and writes it down. The call has said nothing yet.
  RawBidiReactor* Refuse(RpcMethod method, const Caller& caller, const absl::Status& why);
  absl::Status Answer(RpcMethod method, const Caller& caller, const grpc::ByteBuffer& request,
                      grpc::ByteBuffer* response) const;

  int calls_added_ = 0;
  const ServerFacts facts_;
  RpcMetrics* const rpc_metrics_;
  SessionRegistry registry_;
  WatcherRegistry watcher_registry_;
  SessionDirectory directory_;
  SessionTokens tokens_;
  const SnapshotSeal snapshot_seal_;
  FirstMessageRoom room_;
  CallGate gate_;
  CallEnvironment environment_;  // written by StartServing(), constant once serving_ is set
  std::atomic<bool> serving_ = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_VIDEO_SERVICE_H_
