// Certificates and their keys, looked at before anybody relies on them: gRPC serves what has expired, and of what it
// cannot use its log alone says something.
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

// What the files held when they were read: each in PEM form, and good for what it is there for.
struct Certificates {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: clients need none
  absl::Time expiry;      // of the server's own
};

// InvalidArgument, with the path first: not readable, no PEM in any of its blocks, a key of another certificate or one
// that TLS finds too weak, not valid at `now` any more or not yet.
absl::StatusOr<Certificates> ReadCertificates(const CertificateFiles& files, absl::Time now);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_CERTIFICATE_FILES_H_
