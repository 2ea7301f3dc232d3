// HMAC-SHA256 (RFC 2104): what nobody can make who does not have the key.
#ifndef VIDEODIFFCR_SERVER_RPC_KEYED_HASH_H_
#define VIDEODIFFCR_SERVER_RPC_KEYED_HASH_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace videodiffcr {

inline constexpr size_t kKeyedHashBytes = 32;

// kKeyedHashBytes of them, not printable. Throws std::bad_alloc when there is no memory: a hash that is none must not
// pass for one.
std::string KeyedHash(absl::string_view key, absl::string_view text);

// Whether both are the same bytes. Takes as long wherever they differ; their lengths are no secret.
bool EqualInConstantTime(absl::string_view one, absl::string_view other);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_KEYED_HASH_H_
