#include "server/rpc/control_taker.h"

#include <utility>

#include "server/rpc/error_details.h"
#include "server/rpc/session_controls.h"
#include "server/rpc/session_warnings.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

bool CameTooLate(const absl::Status& status) { return absl::IsNotFound(status) || absl::IsFailedPrecondition(status); }

}  // namespace

ControlTaker::ControlTaker(const CallEnvironment& environment, const SessionPlan& plan,
                           std::shared_ptr<StreamOutbox> outbox)
    : environment_(environment),
      outbox_(std::move(outbox)),
      allowance_(environment.limits.control_messages_per_second, environment.limits.control_message_burst,
                 environment.clock->Now()),
      received_(plan.controls_received),
      snapshots_(environment, plan) {}

absl::Status ControlTaker::Take(const v1::StreamVideoRequest& request, SessionId session, bool unary) {
  const bool counted = !unary && !request.has_ack();
  if (counted) ++received_;
  PromptWarnings warnings;
  absl::Status status;
  if (!allowance_.Take(environment_.clock->Now())) {
    status = ControlRateExceeded(environment_.limits);
  } else {
    status = Guarded("a control message", [&] {
      return request.has_snapshot() ? PushSnapshot(session)
                                    : ApplyControl(request, environment_, session, outbox_.get(), &warnings);
    });
  }
  Warn(WarningsOf(std::move(warnings), environment_.model->info().max_prompt_tokens), outbox_.get());
  const ControlType type = TypeOf(request);
  if (!CameTooLate(status)) {
    environment_.rpc_metrics->CountControl(type, status.ok() ? ControlResult::kAccepted : ControlResult::kRejected);
    return status;
  }
  environment_.rpc_metrics->CountControl(type, ControlResult::kTooLate);
  if (counted) --received_;  // whoever goes on with the session has not had it
  // Credits and pauses that cross the end on their way change nothing; a change that is not made should be known.
  if (type != ControlType::kUpdate && type != ControlType::kSceneCut) return absl::OkStatus();
  WarningEvent warning = ChangeTooLateWarning();
  if (unary) return WithErrorInfo(absl::FailedPreconditionError(warning.message), warning.reason);
  Warn({std::move(warning)}, outbox_.get());
  return absl::OkStatus();
}

void ControlTaker::AddChunk(EarlierChunk chunk, bool scene_start, int frames, std::optional<SessionId> session) {
  snapshots_.Add(std::move(chunk), scene_start, frames);
  // Without one the session is no worse off than before; a viewer who does not read hears of it with the next chunk.
  if (snapshots_.Due()) Guarded("a snapshot", [&] { return PushSnapshot(session); }).IgnoreError();
}

absl::StatusOr<SnapshotEvent> ControlTaker::TakeSnapshot(std::optional<SessionId> session) const {
  return Guarded("a snapshot", [&] { return snapshots_.Take(session, received_); });
}

absl::Status ControlTaker::PushSnapshot(std::optional<SessionId> session) {
  absl::StatusOr<SnapshotEvent> snapshot = snapshots_.Take(session, received_);
  if (!snapshot.ok()) return snapshot.status();
  absl::Status pushed = outbox_->Push(*std::move(snapshot));
  // The session has ended since: what is left of it is not to be lost for that.
  return absl::IsCancelled(pushed) ? absl::NotFoundError(pushed.message()) : pushed;
}

}  // namespace videodiffcr
