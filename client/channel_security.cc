#include "client/channel_security.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/client_interceptor.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 20;

// Puts the header on each call that has none of its own. Call credentials would do it as well, but not where TLS ends
// in front of the server.
class TokenInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit TokenInterceptor(std::string header) : header_(std::move(header)) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      auto* const metadata = methods->GetSendInitialMetadata();
      if (metadata->count("authorization") == 0) metadata->insert({"authorization", header_});
    }
    methods->Proceed();
  }

 private:
  const std::string header_;
};

class TokenInterceptorFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenInterceptorFactory(std::string header) : header_(std::move(header)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    return new TokenInterceptor(header_);  // gRPC's to delete
  }

 private:
  const std::string header_;
};

// Empty for no path.
absl::StatusOr<std::string> ContentOf(const std::string& path) {
  if (path.empty()) return "";
  return ReadRegularFile(path, kMaxFileBytes);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const ChannelSecurity& security) {
  if (!security.tls && security.tls_ca.empty()) return grpc::InsecureChannelCredentials();
  const absl::StatusOr<std::string> ca = ContentOf(security.tls_ca);
  const absl::StatusOr<std::string> key = ContentOf(security.tls_key);
  const absl::StatusOr<std::string> certificate = ContentOf(security.tls_certificate);
  for (const auto* file : {&ca, &key, &certificate}) {
    if (!file->ok()) return file->status();
  }
  return grpc::SslCredentials({*ca, *key, *certificate});
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address, const ChannelSecurity& security,
                                                           const grpc::ChannelArguments& arguments) {
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials = CredentialsOf(security);
  if (!credentials.ok()) return credentials.status();
  absl::StatusOr<std::string> token = ContentOf(security.token_file);
  if (!token.ok()) return token.status();
  absl::StripAsciiWhitespace(&*token);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  if (!token->empty()) {
    interceptors.push_back(std::make_unique<TokenInterceptorFactory>(absl::StrCat("Bearer ", *token)));
  }
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, *credentials, arguments,
                                                                 std::move(interceptors));
}

}  // namespace videodiffcr
