// What calls ask of a session from beside its own: to be changed, to be ended, to be watched.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_REQUESTS_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_REQUESTS_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/call_environment.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

class LiveSession;

// All: Unauthenticated unless the token is the one of that very session, whether there is such a session or not.

// NotFound when the session is over.
absl::Status UpdateSession(const CallEnvironment& environment, const v1::UpdateSessionRequest& request);

// OK when the session is over, too.
absl::Status CancelSession(const CallEnvironment& environment, const v1::CancelSessionRequest& request);

// NotFound when the session is over.
absl::StatusOr<std::shared_ptr<LiveSession>> FindWatchedSession(const CallEnvironment& environment,
                                                                const v1::WatchSessionRequest& request);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_REQUESTS_H_
