#include "server/access/certificate_files.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <utility>

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

// The first of the certificates in `text`, once all of them have been read: gRPC stops at the first that is broken.
absl::StatusOr<Certificate> FirstCertificate(const std::string& path, const std::string& text) {
  const Bio reader = Reader(text);
  Certificate first(PEM_read_bio_X509(reader.get(), nullptr, NoPassphrase, nullptr), X509_free);
  if (first == nullptr) return Wrong(path, ": holds no certificate in PEM form");
  for (int number = 2;; ++number) {
    ERR_clear_error();
    const Certificate next(PEM_read_bio_X509(reader.get(), nullptr, NoPassphrase, nullptr), X509_free);
    if (next != nullptr) continue;
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
      return Wrong(path, ": its certificate ", number, " is broken");
    }
    ERR_clear_error();
    return first;
  }
}

absl::StatusOr<Key> KeyOf(const std::string& path, const std::string& text) {
  Key key(PEM_read_bio_PrivateKey(Reader(text).get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  if (key == nullptr) return Wrong(path, ": holds no private key in PEM form without a passphrase");
  return key;
}

// As gRPC will put it to use: TLS takes no short keys, however well certificate and key go together.
absl::Status TryServing(const std::string& path, X509* certificate, EVP_PKEY* key) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  ERR_clear_error();
  if (context != nullptr && SSL_CTX_use_certificate(context.get(), certificate) == 1 &&
      SSL_CTX_use_PrivateKey(context.get(), key) == 1) {
    return absl::OkStatus();
  }
  const char* const why = ERR_reason_error_string(ERR_peek_last_error());
  return Wrong(path, ": cannot be served: ", why == nullptr ? "TLS does not take it" : why);
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

absl::StatusOr<Certificates> ReadCertificates(const CertificateFiles& files, absl::Time now) {
  Certificates read;
  for (const auto& [path, text] : {std::pair(&files.certificate, &read.certificate), std::pair(&files.key, &read.key),
                                   std::pair(&files.client_ca, &read.client_ca)}) {
    if (path->empty()) continue;
    absl::StatusOr<std::string> content = ReadRegularFile(*path, kMaxFileBytes);
    if (!content.ok()) return Wrong(content.status().message());
    *text = *std::move(content);
  }
  const absl::StatusOr<Certificate> certificate = FirstCertificate(files.certificate, read.certificate);
  if (!certificate.ok()) return certificate.status();
  const absl::StatusOr<Key> key = KeyOf(files.key, read.key);
  if (!key.ok()) return key.status();
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    return Wrong(files.key, ": is not the key of the certificate in ", files.certificate);
  }
  const absl::Time begins = TimeOf(X509_get0_notBefore(certificate->get()));
  read.expiry = TimeOf(X509_get0_notAfter(certificate->get()));
  if (now > read.expiry) return Wrong(files.certificate, ": the certificate has expired on ", Day(read.expiry));
  if (now < begins) return Wrong(files.certificate, ": the certificate is not valid before ", Day(begins));
  if (absl::Status status = TryServing(files.certificate, certificate->get(), key->get()); !status.ok()) return status;
  if (files.client_ca.empty()) return read;
  const absl::StatusOr<Certificate> authority = FirstCertificate(files.client_ca, read.client_ca);
  if (!authority.ok()) return authority.status();
  return read;
}

}  // namespace videodiffcr
