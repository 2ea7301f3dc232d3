#include "server/access/token.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr absl::string_view kPrefix = "vdcr_";
constexpr size_t kIdBytes = 4;
constexpr size_t kSecretBytes = 32;
constexpr size_t kSecretCharacters = 43;
constexpr unsigned kRounds = 1000;

// Empty when the system has no random numbers.
std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) bytes.clear();
  return bytes;
}

// Empty when OpenSSL cannot, for want of memory.
std::string HashOf(absl::string_view secret, absl::string_view salt) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, "PBKDF2", nullptr), EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      kdf == nullptr ? nullptr : EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  if (context == nullptr) return "";
  unsigned rounds = kRounds;
  char digest[] = "SHA256";
  // OpenSSL's parameters are not const, but only read.
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, const_cast<char*>(secret.data()), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<char*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &rounds),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  std::string hash(kHashBytes, '\0');
  const int derived =
      EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(hash.data()), hash.size(), parameters);
  return derived == 1 ? hash : "";
}

}  // namespace

absl::StatusOr<NewToken> MakeToken(absl::string_view today) {
  const std::string id = absl::BytesToHexString(RandomBytes(kIdBytes));
  const std::string random = RandomBytes(kSecretBytes);
  NewToken token;
  token.stored.salt = RandomBytes(kSaltBytes);
  if (id.empty() || random.empty() || token.stored.salt.empty()) {
    return absl::InternalError("the system has no random numbers for a token");
  }
  const std::string secret = absl::WebSafeBase64Escape(random);
  token.text = absl::StrCat(kPrefix, id, "_", secret);
  token.stored.id = id;
  token.stored.added = std::string(today);
  token.stored.hash = HashOf(secret, token.stored.salt);
  if (token.stored.hash.empty()) return absl::InternalError("OpenSSL computes no PBKDF2");
  return token;
}

std::optional<TokenParts> SplitToken(absl::string_view token) {
  constexpr size_t kIdCharacters = 2 * kIdBytes;
  if (!absl::StartsWith(token, kPrefix) || token.size() != kPrefix.size() + kIdCharacters + 1 + kSecretCharacters) {
    return std::nullopt;
  }
  const absl::string_view id = token.substr(kPrefix.size(), kIdCharacters);
  const bool hexadecimal = std::all_of(id.begin(), id.end(), [](unsigned char c) { return absl::ascii_isxdigit(c); });
  if (!hexadecimal || token[kPrefix.size() + kIdCharacters] != '_') return std::nullopt;
  return TokenParts{std::string(id), std::string(token.substr(kPrefix.size() + kIdCharacters + 1))};
}

bool Matches(const StoredToken& stored, absl::string_view secret) {
  const std::string hash = HashOf(secret, stored.salt);
  return hash.size() == kHashBytes && stored.hash.size() == kHashBytes &&
         CRYPTO_memcmp(hash.data(), stored.hash.data(), kHashBytes) == 0;
}

}  // namespace videodiffcr
