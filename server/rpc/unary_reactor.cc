#include "server/rpc/unary_reactor.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/rpc/error_details.h"
#include "server/rpc/status_conversion.h"
#include "system/guarded.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Ends the call exactly once, whoever comes first.
class UnaryReactor::Ending {
 public:
  Ending(RpcMethod method, RawBidiReactor* reactor, grpc::CallbackServerContext* context, RpcMetrics* rpc_metrics)
      : method_(method), reactor_(reactor), context_(context), rpc_metrics_(rpc_metrics) {}

  // With `response` when that is given; it stays until the call is done.
  void End(const absl::Status& status, const grpc::ByteBuffer* response) {
    MutexLock lock(&mutex_);
    RawBidiReactor* const reactor = std::exchange(reactor_, nullptr);
    if (reactor == nullptr) return;
    rpc_metrics_->CountCall(method_, status.code());
    if (response != nullptr) {
      reactor->StartWriteAndFinish(response, grpc::WriteOptions(), ToGrpcStatus(status));
    } else {
      reactor->Finish(ToGrpcStatus(status));
    }
  }

  // The client has not taken its answer: the call would keep its connection's place, and a drain, for as long as that
  // one answers pings.
  void OnAlarm() {
    MutexLock lock(&mutex_);
    if (context_ != nullptr) context_->TryCancel();
  }

  // The call is done.
  void Forget() {
    MutexLock lock(&mutex_);
    context_ = nullptr;
  }

 private:
  const RpcMethod method_;
  Mutex mutex_;
  RawBidiReactor* reactor_ ABSL_GUARDED_BY(mutex_);  // null once the call has ended, after which it may be gone
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);  // null once the call is done
  RpcMetrics* const rpc_metrics_;
};

UnaryReactor::UnaryReactor(RpcMethod method, grpc::CallbackServerContext* context, const Entrance& entrance,
                           absl::Duration answer_timeout, Answer answer, RpcMetrics* rpc_metrics)
    : CallReactor(context, entrance),
      answer_timeout_(answer_timeout),
      answer_(std::move(answer)),
      ending_(std::make_shared<Ending>(method, this, context, rpc_metrics)) {
  AwaitFirstMessage([weak = std::weak_ptr<Ending>(ending_)](const absl::Status& status) {
    if (const std::shared_ptr<Ending> ending = weak.lock()) ending->End(status, nullptr);
  });
}

UnaryReactor::~UnaryReactor() { ending_->Forget(); }

void UnaryReactor::OnFirstMessage(const grpc::ByteBuffer& bytes) {
  const absl::Status status = Guarded("answering", [&] { return answer_(bytes, &response_); });
  ending_->End(status, status.ok() ? &response_ : nullptr);
  // A status alone needs no room on the client's side. The call cannot be done before this returns.
  if (status.ok() && answer_timeout_ > absl::ZeroDuration()) alarm_.Set(answer_timeout_, ending_);
}

void UnaryReactor::OnNoMessage() {
  ending_->End(WithErrorInfo(absl::InvalidArgumentError("the call was closed without a request"), "REQUEST_NOT_SET"),
               nullptr);
}

void UnaryReactor::OnThrown(absl::Status status) { ending_->End(status, nullptr); }

void UnaryReactor::OnCancel() { ending_->End(absl::CancelledError("the client cancelled or is gone"), nullptr); }

}  // namespace videodiffcr
