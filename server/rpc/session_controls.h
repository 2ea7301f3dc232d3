// What viewers ask of a running session, message by message.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_CONTROLS_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_CONTROLS_H_

#include "absl/status/status.h"
#include "model/api/step_plan.h"
#include "server/delivery/stream_outbox.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/rpc_metrics.h"
#include "server/rpc/session_warnings.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// What is said of one that comes sooner than `limits` allow: ResourceExhausted with details.
absl::Status ControlRateExceeded(const RpcLimits& limits);

ControlType TypeOf(const v1::StreamVideoRequest& request);

// Checks a message that is not the first of its call and does what it says to `session`, whose outbox is `outbox`.
// InvalidArgument with details for one that makes no sense; NotFound or FailedPrecondition when it comes too late.
// `warnings`: of a new prompt.
absl::Status ApplyControl(const v1::StreamVideoRequest& request, const CallEnvironment& environment, SessionId session,
                          StreamOutbox* outbox, PromptWarnings* warnings);

// The same control as a message of StreamVideo; REQUEST_NOT_SET when it holds none.
absl::StatusOr<v1::StreamVideoRequest> ToStreamControl(const v1::UpdateSessionRequest& request);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_CONTROLS_H_
