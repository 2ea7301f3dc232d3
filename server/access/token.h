// Bearer tokens: made once, kept as salted hashes.
//
//   token = "vdcr_" id "_" secret
//   id     = 8 hexadecimal digits, by which its hash is found; no secret
//   secret = 43 characters of web-safe base 64: 256 random bits
//
// The hash is PBKDF2-HMAC-SHA256 of the secret with 1,000 rounds, a quarter of a millisecond. Nobody guesses 256 bits
// however fast a guess is; the salt keeps equal files from showing, and the rounds cost a flood of wrong tokens little.
#ifndef VIDEODIFFCR_SERVER_ACCESS_TOKEN_H_
#define VIDEODIFFCR_SERVER_ACCESS_TOKEN_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

struct TokenParts {
  std::string id;
  std::string secret;
};

// What is kept of a token.
struct StoredToken {
  std::string id;
  std::string added;  // "2026-11-27", for people
  std::string salt;   // 16 bytes
  std::string hash;   // 32 bytes
};

inline constexpr size_t kSaltBytes = 16;
inline constexpr size_t kHashBytes = 32;

struct NewToken {
  std::string text;  // to be shown once
  StoredToken stored;
};

// From the system's random numbers. Internal when there are none.
absl::StatusOr<NewToken> MakeToken(absl::string_view today);

// Nothing for what has not the form of a token.
std::optional<TokenParts> SplitToken(absl::string_view token);

// Whether `secret` is the one that `stored` is of. Takes the same time for any secret.
bool Matches(const StoredToken& stored, absl::string_view secret);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_TOKEN_H_
