// Certificates and their keys, looked at before anybody relies on them: gRPC says nothing of files it cannot use, its
// handshakes only fail.
#ifndef VIDEODIFFCR_SERVER_ACCESS_CERTIFICATE_FILES_H_
#define VIDEODIFFCR_SERVER_ACCESS_CERTIFICATE_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace videodiffcr {

// All empty: no TLS.
struct CertificateFiles {
  std::string certificate;  // PEM: the server's own, then those between it and its root
  std::string key;          // PEM, of the first certificate
  std::string client_ca;    // PEM: who may have signed a client's certificate; empty: clients need none

  bool any() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
};

// InvalidArgument names the flag that is missing: a certificate without a key, authorities without a certificate.
absl::Status CheckTogether(const CertificateFiles& files);

// When the server's certificate expires. InvalidArgument, with the path first: not readable, no PEM, a key of another
// certificate, not valid at `now` any more or not yet.
absl::StatusOr<absl::Time> CheckCertificates(const CertificateFiles& files, absl::Time now);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_CERTIFICATE_FILES_H_
