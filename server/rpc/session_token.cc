#include "server/rpc/session_token.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "openssl/rand.h"
#include "server/rpc/keyed_hash.h"

namespace videodiffcr {
namespace {

constexpr size_t kDigestDigits = 2 * kKeyedHashBytes;
constexpr size_t kKeyBytes = 32;
// Longer than any name that this server gives, so that a hostile token costs no more than a good one.
constexpr size_t kMaxSessionBytes = 64;
constexpr size_t kMaxTokenBytes = 256;

absl::string_view LabelOf(TokenKind kind) {
  switch (kind) {
    case TokenKind::kControl:
      return "videodiffcr control token\n";
    case TokenKind::kWatch:
      return "videodiffcr watch token\n";
  }
  return "";
}

// Neither a session's name nor a tenant's holds a line feed that would make two pairs one: a session that is asked for
// may, but then no token was made for it.
std::string Digest(const std::string& key, TokenKind kind, absl::string_view session, absl::string_view tenant) {
  return absl::BytesToHexString(KeyedHash(key, absl::StrCat(LabelOf(kind), session, "\n", tenant)));
}

}  // namespace

absl::StatusOr<std::string> SessionTokens::RandomKey() {
  std::string key(kKeyBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) == 1) return key;
  return absl::UnavailableError("the system has no random bytes for a key");
}

std::string SessionTokens::Make(TokenKind kind, absl::string_view session, absl::string_view tenant) const {
  return absl::StrCat(route_, route_.empty() ? "" : ".", session, ".", Digest(key_, kind, session, tenant));
}

std::optional<std::string> SessionTokens::SessionOf(TokenKind kind, absl::string_view token,
                                                    absl::string_view tenant) const {
  if (!route_.empty() && !(absl::ConsumePrefix(&token, route_) && absl::ConsumePrefix(&token, "."))) {
    return std::nullopt;
  }
  const size_t dot = token.rfind('.');
  if (dot == absl::string_view::npos || dot > kMaxSessionBytes || token.size() - dot - 1 != kDigestDigits) {
    return std::nullopt;
  }
  const absl::string_view session = token.substr(0, dot);
  if (!EqualInConstantTime(token.substr(dot + 1), Digest(key_, kind, session, tenant))) return std::nullopt;
  return std::string(session);
}

bool SessionTokens::IsOfAnotherServer(absl::string_view token) const {
  if (token.size() > kMaxTokenBytes) return false;
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  return parts.size() == 3 && !parts[0].empty() && parts[0] != route_ && !parts[1].empty() &&
         parts[2].size() == kDigestDigits;
}

}  // namespace videodiffcr
