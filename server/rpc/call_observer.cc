#include "server/rpc/call_observer.h"

#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/interceptor.h"
#include "grpcpp/support/server_interceptor.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

using grpc::experimental::InterceptionHookPoints;

// Lives as long as the call.
class CallObserver final : public grpc::experimental::Interceptor {
 public:
  CallObserver(ConnectionUses* uses, grpc::experimental::ServerRpcInfo* info, bool matters)
      : uses_(uses), info_(info), matters_(matters) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    // Nobody above catches what is thrown here. A call that goes unnoticed has no right to its place, no worse.
    (void)Guarded("noting a call", [&] {
      Note(methods);
      return absl::OkStatus();
    });
    methods->Proceed();
  }

 private:
  void Note(grpc::experimental::InterceptorBatchMethods* methods) {
    // Only now: when gRPC makes the interceptor of a synchronous method, it does not know the peer yet.
    if (!call_.has_value()) call_.emplace(uses_, info_->server_context()->peer(), matters_);
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE) &&
        methods->GetRecvMessage() != nullptr) {
      call_->NoteMessage();
    }
  }

  ConnectionUses* const uses_;
  grpc::experimental::ServerRpcInfo* const info_;
  const bool matters_;
  std::optional<ConnectionUses::Call> call_;
};

class CallObservers final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  CallObservers(std::shared_ptr<ConnectionUses> uses, std::string methods)
      : uses_(std::move(uses)), methods_(std::move(methods)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    const bool matters = info->method() != nullptr && absl::StartsWith(info->method(), methods_);
    return new (std::nothrow) CallObserver(uses_.get(), info, matters);
  }

 private:
  const std::shared_ptr<ConnectionUses> uses_;
  const std::string methods_;  // what their paths begin with
};

}  // namespace

void ObserveCalls(std::shared_ptr<ConnectionUses> uses, const std::string& service, grpc::ServerBuilder* builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
  observers.push_back(std::make_unique<CallObservers>(std::move(uses), absl::StrCat("/", service, "/")));
  builder->experimental().SetInterceptorCreators(std::move(observers));
}

}  // namespace videodiffcr
