#include "client/channel_security.h"

#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

// Empty for no path. Refused here, since to gRPC an authority that says nothing means the system's, and one that cannot
// be read a server that does not answer.
absl::StatusOr<std::string> PemOf(const std::string& path, absl::string_view label) {
  if (path.empty()) return "";
  absl::StatusOr<std::string> content = ReadRegularFile(path, kMaxFileBytes);
  if (content.ok() && !absl::StrContains(*content, absl::StrCat(label, "-----"))) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": holds no ", absl::AsciiStrToLower(label), " in PEM form"));
  }
  return content;
}

// Empty for no path.
absl::StatusOr<std::string> TokenOf(const std::string& path) {
  if (path.empty()) return "";
  absl::StatusOr<std::string> token = ReadRegularFile(path, kMaxFileBytes);
  if (!token.ok()) return token;
  absl::StripAsciiWhitespace(&*token);
  if (token->empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": holds no token"));
  if (!absl::c_all_of(*token, absl::ascii_isgraph)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": holds more than a token, which is one word in ASCII"));
  }
  return token;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const ChannelSecurity& security) {
  if (!security.tls && security.tls_ca.empty()) return grpc::InsecureChannelCredentials();
  const absl::StatusOr<std::string> ca = PemOf(security.tls_ca, "CERTIFICATE");
  const absl::StatusOr<std::string> key = PemOf(security.tls_key, "PRIVATE KEY");
  const absl::StatusOr<std::string> certificate = PemOf(security.tls_certificate, "CERTIFICATE");
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
  const absl::StatusOr<std::string> token = TokenOf(security.token_file);
  if (!token.ok()) return token.status();
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  if (!token->empty()) {
    interceptors.push_back(std::make_unique<TokenInterceptorFactory>(absl::StrCat("Bearer ", *token)));
  }
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, *credentials, arguments,
                                                                 std::move(interceptors));
}

}  // namespace videodiffcr
