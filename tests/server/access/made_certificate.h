// Certificates for tests, made on the spot.
#ifndef VIDEODIFFCR_TESTS_SERVER_ACCESS_MADE_CERTIFICATE_H_
#define VIDEODIFFCR_TESTS_SERVER_ACCESS_MADE_CERTIFICATE_H_

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <string>

#include "absl/time/time.h"

namespace videodiffcr {

struct MadeCertificate {
  std::string certificate;  // PEM; signs itself, and stands for "localhost" and 127.0.0.1
  std::string key;          // PEM
};

// Valid from a day ago until `expiry`; its key is `key`, which it takes over.
MadeCertificate MakeCertificate(absl::Time expiry, EVP_PKEY* key = EVP_EC_gen("P-256"));

// Writes under another name first, as whoever renews certificates should.
void ReplaceFile(const std::string& path, const std::string& text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SERVER_ACCESS_MADE_CERTIFICATE_H_
