#include "server/access/tls_credentials.h"

#include <grpc/grpc_security.h>

#include "absl/memory/memory.h"

namespace videodiffcr {
namespace {

// gRPC asks before each handshake, and goes on with what it had when there is nothing new.
grpc_ssl_certificate_config_reload_status Fetch(void* certificates, grpc_ssl_server_certificate_config** config) {
  const std::optional<Certificates> changed = static_cast<ServedCertificates*>(certificates)->TakeChanged();
  if (!changed.has_value()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair = {changed->key.c_str(), changed->certificate.c_str()};
  // gRPC wants some authority, also where it asks no client for a certificate and so believes none.
  const std::string& authorities = changed->client_ca.empty() ? changed->certificate : changed->client_ca;
  *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

// gRPC's C++ has no credentials that ask for their certificates; its C does.
class AskingCredentials : public grpc::ServerCredentials {
 public:
  explicit AskingCredentials(ServedCertificates* certificates)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                certificates->wants_clients_certificate() ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                                          : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
                Fetch, certificates))) {}
  ~AskingCredentials() override { grpc_server_credentials_release(credentials_); }

  // Tokens are looked at by the calls themselves.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(ServedCertificates* certificates) {
  if (certificates == nullptr) return grpc::InsecureServerCredentials();
  return std::make_shared<AskingCredentials>(certificates);
}

absl::StatusOr<std::unique_ptr<ServedCertificates>> ServedCertificates::Create(const CertificateFiles& files,
                                                                               absl::Time now) {
  auto served = absl::WrapUnique(new ServedCertificates(files));
  if (absl::Status status = served->ReadIfChanged(now); !status.ok()) return status;
  return served;
}

// Handshakes do not wait for the files, which may be on a slow disk.
absl::Status ServedCertificates::ReadIfChanged(absl::Time now) {
  return in_use_.ReadIfChanged([&] {
    absl::StatusOr<Certificates> read = ReadCertificates(files_, now);
    if (!read.ok()) return read.status();
    MutexLock lock(&mutex_);
    current_ = *std::move(read);
    taken_ = false;
    return absl::OkStatus();
  });
}

std::optional<Certificates> ServedCertificates::TakeChanged() {
  MutexLock lock(&mutex_);
  if (std::exchange(taken_, true)) return std::nullopt;
  return current_;
}

}  // namespace videodiffcr
