// A call with one request and one answer, as gRPC sees it.
#ifndef VIDEODIFFCR_SERVER_RPC_UNARY_REACTOR_H_
#define VIDEODIFFCR_SERVER_RPC_UNARY_REACTOR_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/rpc/call_alarm.h"
#include "server/rpc/call_reactor.h"
#include "server/rpc/rpc_metrics.h"

namespace videodiffcr {

class UnaryReactor final : public CallReactor {
 public:
  // Fills the response, or says what is wrong with the request.
  using Answer = std::function<absl::Status(const grpc::ByteBuffer& request, grpc::ByteBuffer* response)>;

  // `rpc_metrics` and what is in `entrance` outlive the call. A client that has not taken the answer after
  // `answer_timeout` is cut off (0: never).
  UnaryReactor(RpcMethod method, grpc::CallbackServerContext* context, const Entrance& entrance,
               absl::Duration answer_timeout, Answer answer, RpcMetrics* rpc_metrics);
  ~UnaryReactor() override;

 private:
  class Ending;

  void OnFirstMessage(const grpc::ByteBuffer& bytes) override;
  void OnNoMessage() override;
  void OnThrown(absl::Status status) override;
  void OnCancel() override;

  const absl::Duration answer_timeout_;
  const Answer answer_;
  // Shared with the timeouts, which may come late.
  const std::shared_ptr<Ending> ending_;
  CallAlarm alarm_;            // ending_'s
  grpc::ByteBuffer response_;  // gRPC's once the call has ended
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_UNARY_REACTOR_H_
