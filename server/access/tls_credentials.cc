#include "server/access/tls_credentials.h"

#include <utility>

#include "grpc/grpc_security_constants.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace videodiffcr {
namespace {

constexpr unsigned kLookSeconds = 1;

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const CertificateFiles& files) {
  if (!files.any()) return grpc::InsecureServerCredentials();
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(files.key, files.certificate,
                                                                           files.client_ca, kLookSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

CertificateWatch::CertificateWatch(const CertificateFiles& files, absl::Time expiry)
    : files_(files), seen_(Look()), expiry_(expiry) {}

CertificateWatch::Stamps CertificateWatch::Look() const {
  return {FileStamp::Of(files_.certificate), FileStamp::Of(files_.key), FileStamp::Of(files_.client_ca)};
}

absl::Status CertificateWatch::LookAgain(absl::Time now) {
  const Stamps stamps = Look();
  MutexLock lock(&mutex_);
  if (stamps == std::exchange(seen_, stamps)) return absl::OkStatus();
  const absl::StatusOr<absl::Time> expiry = CheckCertificates(files_, now);
  if (!expiry.ok()) return expiry.status();
  expiry_ = *expiry;
  return absl::OkStatus();
}

}  // namespace videodiffcr
