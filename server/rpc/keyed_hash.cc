#include "server/rpc/keyed_hash.h"

#include <new>

#include "openssl/crypto.h"
#include "openssl/evp.h"
#include "openssl/hmac.h"

namespace videodiffcr {

std::string KeyedHash(absl::string_view key, absl::string_view text) {
  std::string hash(kKeyedHashBytes, '\0');
  const unsigned char* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), reinterpret_cast<unsigned char*>(hash.data()), nullptr);
  if (made == nullptr) throw std::bad_alloc();
  return hash;
}

bool EqualInConstantTime(absl::string_view one, absl::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace videodiffcr
