// TLS as gRPC wants it, from files that may change while the server runs.
#ifndef VIDEODIFFCR_SERVER_ACCESS_TLS_CREDENTIALS_H_
#define VIDEODIFFCR_SERVER_ACCESS_TLS_CREDENTIALS_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "server/access/certificate_files.h"
#include "server/access/file_stamp.h"
#include "threading/mutex.h"

namespace videodiffcr {

// For plaintext when `files` names none. New connections have what the files hold at most a second before; open ones
// keep what they began with. With client_ca, a client without a certificate of its own is refused.
std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const CertificateFiles& files);

// Looks at the files again when they change, since gRPC, which reads them by itself, tells nobody what it thinks of
// them. Thread-safe.
class CertificateWatch {
 public:
  // `expiry`: what CheckCertificates() said of them at the start.
  CertificateWatch(const CertificateFiles& files, absl::Time expiry);

  // CheckCertificates()'s error when the files have changed since the last look and are wrong now. gRPC then goes on
  // with what it had.
  absl::Status LookAgain(absl::Time now);

  // Of the certificate in use.
  absl::Time expiry() const {
    MutexLock lock(&mutex_);
    return expiry_;
  }

 private:
  struct Stamps {
    FileStamp certificate, key, client_ca;
    bool operator==(const Stamps&) const = default;
  };
  Stamps Look() const;

  const CertificateFiles files_;
  mutable Mutex mutex_;
  Stamps seen_ ABSL_GUARDED_BY(mutex_);
  absl::Time expiry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_TLS_CREDENTIALS_H_
