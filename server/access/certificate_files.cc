#include "server/access/certificate_files.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdint>
#include <ctime>
#include <memory>

#include "absl/strings/str_cat.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

constexpr int64_t kMaxFileBytes = int64_t{1} << 20;

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// A key with a passphrase is one that cannot be read: nobody is there to type.
int NoPassphrase(char*, int, int, void*) { return -1; }

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free_all);
}

absl::StatusOr<Certificate> ReadFirstCertificate(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileBytes);
  if (!text.ok()) return Wrong(text.status().message());
  Certificate certificate(PEM_read_bio_X509(Reader(*text).get(), nullptr, NoPassphrase, nullptr), X509_free);
  if (certificate == nullptr) return Wrong(path, ": holds no certificate in PEM form");
  return certificate;
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileBytes);
  if (!text.ok()) return Wrong(text.status().message());
  Key key(PEM_read_bio_PrivateKey(Reader(*text).get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  if (key == nullptr) return Wrong(path, ": holds no private key in PEM form without a passphrase");
  return key;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&parts));
}

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

}  // namespace

absl::Status CheckTogether(const CertificateFiles& files) {
  if (!files.any()) return absl::OkStatus();
  if (files.certificate.empty()) return Wrong("tls_certificate is empty; it is needed with tls_key or tls_client_ca");
  if (files.key.empty()) return Wrong("tls_key is empty; it is needed with tls_certificate");
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> CheckCertificates(const CertificateFiles& files, absl::Time now) {
  const absl::StatusOr<Certificate> certificate = ReadFirstCertificate(files.certificate);
  if (!certificate.ok()) return certificate.status();
  const absl::StatusOr<Key> key = ReadKey(files.key);
  if (!key.ok()) return key.status();
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    return Wrong(files.key, ": is not the key of the certificate in ", files.certificate);
  }
  const absl::Time begins = TimeOf(X509_get0_notBefore(certificate->get()));
  const absl::Time ends = TimeOf(X509_get0_notAfter(certificate->get()));
  if (now > ends) return Wrong(files.certificate, ": the certificate has expired on ", Day(ends));
  if (now < begins) return Wrong(files.certificate, ": the certificate is not valid before ", Day(begins));
  if (files.client_ca.empty()) return ends;
  if (const absl::StatusOr<Certificate> ca = ReadFirstCertificate(files.client_ca); !ca.ok()) return ca.status();
  return ends;
}

}  // namespace videodiffcr
