// TLS as gRPC wants it, from files that may change while the server runs.
#ifndef VIDEODIFFCR_SERVER_ACCESS_TLS_CREDENTIALS_H_
#define VIDEODIFFCR_SERVER_ACCESS_TLS_CREDENTIALS_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "server/access/certificate_files.h"
#include "server/access/files_in_use.h"
#include "threading/mutex.h"

namespace videodiffcr {

// The certificates in use, read again when their files change. gRPC has a watcher of files of its own, but that serves
// what has expired, and nobody at all once a key and a certificate do not go together. Thread-safe.
class ServedCertificates {
 public:
  // ReadCertificates()'s error when the files are wrong.
  static absl::StatusOr<std::unique_ptr<ServedCertificates>> Create(const CertificateFiles& files, absl::Time now);

  // When the files are not those in use: uses them, or goes on with what was read before and says why, once for as
  // long as that is the same. It looks again each time, since a certificate may become valid.
  absl::Status ReadIfChanged(absl::Time now);

  // Those in use, where they are others than at the last call.
  std::optional<Certificates> TakeChanged();

  bool wants_clients_certificate() const { return !files_.client_ca.empty(); }

  // Of the certificate in use.
  absl::Time expiry() const {
    MutexLock lock(&mutex_);
    return current_.expiry;
  }

 private:
  explicit ServedCertificates(CertificateFiles files)
      : files_(std::move(files)), in_use_({files_.certificate, files_.key, files_.client_ca}) {}

  const CertificateFiles files_;
  FilesInUse in_use_;
  mutable Mutex mutex_;
  Certificates current_ ABSL_GUARDED_BY(mutex_);
  bool taken_ ABSL_GUARDED_BY(mutex_) = false;
};

// For plaintext when there are no `certificates`. New connections have those in use; open ones keep what they began
// with. With client_ca, a client without a certificate of its own is refused. For one port of one gRPC server, which
// `certificates` must outlive.
std::shared_ptr<grpc::ServerCredentials> MakeCredentials(ServedCertificates* certificates);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_TLS_CREDENTIALS_H_
