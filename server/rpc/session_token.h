// What proves that a caller may go on with a session, change it or end it: a keyed hash of the session's name and of
// its tenant's, so that the server keeps nothing for it and can tell a session that is gone from a token that was never
// given. In another tenant's hands it is like one that was never given.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_TOKEN_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_TOKEN_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

// What a token lets its holder do. One kind is never taken for another.
enum class TokenKind {
  kControl,  // resume, change and end the session
  kWatch,    // see its chunks
};

// Thread-safe once it is used: SetRoute() comes before.
class SessionTokens {
 public:
  // `key`: 32 bytes or more that nobody else knows.
  explicit SessionTokens(std::string key) : key_(std::move(key)) {}

  // What leads a call to this server through the proxy in front of many, in base64 (docs/operating.md, "Many servers as
  // one address"): tokens begin with it. Empty, as it is by default: nothing does.
  void SetRoute(std::string route) { route_ = std::move(route); }

  // 32 bytes of the system's random source. Unavailable when there are none.
  static absl::StatusOr<std::string> RandomKey();

  // "<session>.<64 hexadecimal digits>", with "<route>." before it if there is one. `tenant`: the name of the one that
  // the session belongs to; empty: none.
  std::string Make(TokenKind kind, absl::string_view session, absl::string_view tenant) const;

  // The session that `token` was made for; nullopt when this key never made it for `tenant`. Takes as long whether the
  // token is wrong at its beginning or at its end, and whether there is such a session or not.
  std::optional<std::string> SessionOf(TokenKind kind, absl::string_view token, absl::string_view tenant) const;

  // Whether `token` looks like one of a server with another route, and so may be good there: nobody has checked it.
  bool IsOfAnotherServer(absl::string_view token) const;

 private:
  const std::string key_;
  std::string route_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_TOKEN_H_
