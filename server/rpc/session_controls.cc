#include "server/rpc/session_controls.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_details.h"
#include "server/rpc/error_details.h"
#include "server/rpc/request_conversion.h"

namespace videodiffcr {
namespace {

constexpr char kKnownControls[] = "must hold one of update, credit, ack, pause, unpause, scene_cut, finish, snapshot";

absl::Status ChangeSession(absl::StatusOr<CheckedChange> change, Scheduler* scheduler, SessionId session,
                           PromptWarnings* warnings) {
  if (!change.ok()) return change.status();
  absl::Status status = scheduler->Change(session, std::move(change->change));
  if (status.ok()) *warnings = std::move(change->warnings);
  if (absl::IsResourceExhausted(status)) return WithErrorInfo(std::move(status), error_reason::kTooManyChanges);
  return status;
}

absl::Status Acknowledge(const v1::AckRequest& ack, StreamOutbox* outbox) {
  const absl::Status status =
      ack.sequence() < 0 ? absl::OutOfRangeError("must be at least 0") : outbox->Acknowledge(ack.sequence());
  return status.ok()
             ? status
             : FieldError(error_reason::kOutOfRange, "ack.sequence", absl::StrCat(ack.sequence()), status.message());
}

}  // namespace

absl::Status ControlRateExceeded(const RpcLimits& limits) {
  const std::string allowed = absl::StrCat("at most ", limits.control_messages_per_second,
                                           " control messages per second, ", limits.control_message_burst, " at once");
  absl::Status status = WithErrorInfo(
      absl::ResourceExhaustedError(absl::StrCat("too many control messages: ", allowed)), "CONTROL_RATE_EXCEEDED");
  return WithQuotaFailure(WithRetryInfo(std::move(status), absl::Seconds(1)), "stream", allowed);
}

ControlType TypeOf(const v1::StreamVideoRequest& request) {
  switch (request.request_case()) {
    case v1::StreamVideoRequest::kUpdate:
      return ControlType::kUpdate;
    case v1::StreamVideoRequest::kCredit:
      return ControlType::kCredit;
    case v1::StreamVideoRequest::kAck:
      return ControlType::kAck;
    case v1::StreamVideoRequest::kPause:
      return ControlType::kPause;
    case v1::StreamVideoRequest::kUnpause:
      return ControlType::kUnpause;
    case v1::StreamVideoRequest::kSceneCut:
      return ControlType::kSceneCut;
    case v1::StreamVideoRequest::kFinish:
      return ControlType::kFinish;
    case v1::StreamVideoRequest::kSnapshot:
      return ControlType::kSnapshot;
    default:
      return ControlType::kUnknown;
  }
}

absl::Status ApplyControl(const v1::StreamVideoRequest& request, const CallEnvironment& environment, SessionId session,
                          StreamOutbox* outbox, PromptWarnings* warnings) {
  Scheduler* const scheduler = environment.scheduler;
  switch (request.request_case()) {
    case v1::StreamVideoRequest::kUpdate:
      return ChangeSession(ConvertUpdate(request.update(), *environment.model, environment.limits), scheduler, session,
                           warnings);
    case v1::StreamVideoRequest::kSceneCut:
      return ChangeSession(ConvertSceneCut(request.scene_cut(), *environment.model, environment.limits), scheduler,
                           session, warnings);
    case v1::StreamVideoRequest::kCredit: {
      const absl::StatusOr<CheckedCredits> credits = ConvertCredit(request.credit());
      return credits.ok() ? scheduler->AddCredits(session, credits->chunks, credits->bytes) : credits.status();
    }
    case v1::StreamVideoRequest::kAck:
      return Acknowledge(request.ack(), outbox);
    case v1::StreamVideoRequest::kPause:
      return scheduler->Pause(session);
    case v1::StreamVideoRequest::kUnpause:
      return scheduler->Unpause(session);
    case v1::StreamVideoRequest::kFinish:
      return scheduler->Finish(session);
    case v1::StreamVideoRequest::kConfig:
      return FieldError("CONFIG_REPEATED", "config", request.config().prompt(),
                        "may only be the first message; open another stream for another session");
    case v1::StreamVideoRequest::kResume:
      return FieldError("RESUME_REPEATED", "resume", "",
                        "may only be the first message; open another stream to go on with another session");
    case v1::StreamVideoRequest::kSnapshot:  // the session's own, which has the history
    case v1::StreamVideoRequest::REQUEST_NOT_SET:
      break;
  }
  return FieldError("REQUEST_NOT_SET", "request", "", kKnownControls);
}

absl::StatusOr<v1::StreamVideoRequest> ToStreamControl(const v1::UpdateSessionRequest& request) {
  v1::StreamVideoRequest control;
  switch (request.control_case()) {
    case v1::UpdateSessionRequest::kUpdate:
      *control.mutable_update() = request.update();
      return control;
    case v1::UpdateSessionRequest::kCredit:
      *control.mutable_credit() = request.credit();
      return control;
    case v1::UpdateSessionRequest::kAck:
      *control.mutable_ack() = request.ack();
      return control;
    case v1::UpdateSessionRequest::kPause:
      control.mutable_pause();
      return control;
    case v1::UpdateSessionRequest::kUnpause:
      control.mutable_unpause();
      return control;
    case v1::UpdateSessionRequest::kSceneCut:
      *control.mutable_scene_cut() = request.scene_cut();
      return control;
    case v1::UpdateSessionRequest::kFinish:
      control.mutable_finish();
      return control;
    case v1::UpdateSessionRequest::kSnapshot:
      control.mutable_snapshot();
      return control;
    case v1::UpdateSessionRequest::CONTROL_NOT_SET:
      break;
  }
  return FieldError("REQUEST_NOT_SET", "control", "", kKnownControls);
}

}  // namespace videodiffcr
