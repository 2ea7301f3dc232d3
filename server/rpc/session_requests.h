// What calls ask of a session from beside its own: to be changed, to be ended, to be watched.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_REQUESTS_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_REQUESTS_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/caller.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class ServedSession;
class SessionTokens;

// Why `token`, which is none of this server's, is refused: `unauthenticated`, unless it names another server, to which
// the call should have gone; then `elsewhere` (SESSION_ELSEWHERE). `field`: which one holds it.
absl::Status RefuseToken(const SessionTokens& tokens, absl::string_view field, absl::string_view token,
                         absl::StatusCode elsewhere, absl::Status unauthenticated);

// All: Unauthenticated unless the token is the one of that very session and the caller is of its tenant, whether there
// is such a session or not; NotFound (SESSION_ELSEWHERE) for a token of another server.

// NotFound when the session is over.
absl::Status UpdateSession(const CallEnvironment& environment, const Caller& caller,
                           const v1::UpdateSessionRequest& request);

// OK when the session is over, too.
absl::Status CancelSession(const CallEnvironment& environment, const Caller& caller,
                           const v1::CancelSessionRequest& request);

// NotFound when the session is over.
absl::StatusOr<std::shared_ptr<ServedSession>> FindWatchedSession(const CallEnvironment& environment,
                                                                  const Caller& caller,
                                                                  const v1::WatchSessionRequest& request);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_REQUESTS_H_
