#include "server/rpc/session_requests.h"

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/status_details.h"
#include "server/rpc/error_details.h"
#include "server/rpc/served_session.h"
#include "server/rpc/session_controls.h"
#include "server/rpc/session_directory.h"
#include "server/rpc/session_token.h"

namespace videodiffcr {
namespace {

absl::Status CheckToken(const CallEnvironment& environment, const Caller& caller, const std::string& session_id,
                        const std::string& token) {
  const std::optional<std::string> name = environment.tokens->SessionOf(TokenKind::kControl, token, TenantName(caller));
  if (name.has_value() && *name == session_id) return absl::OkStatus();
  return RefuseToken(
      *environment.tokens, "resume_token", token, absl::StatusCode::kNotFound,
      WithErrorInfo(absl::UnauthenticatedError(
                        "resume_token: is not that of the session which session_id names; `started` has both"),
                    error_reason::kResumeTokenInvalid, {{"field", "resume_token"}}));
}

absl::Status SessionOver(const std::string& session_id) {
  return WithErrorInfo(absl::NotFoundError(absl::StrCat("session_id: ", Printable(session_id, 100), " is over")),
                       error_reason::kSessionOver, {{"field", "session_id"}});
}

std::shared_ptr<ServedSession> FindSession(const CallEnvironment& environment, const std::string& session_id) {
  return std::static_pointer_cast<ServedSession>(environment.directory->Find(session_id));
}

}  // namespace

absl::Status RefuseToken(const SessionTokens& tokens, absl::string_view field, absl::string_view token,
                         absl::StatusCode elsewhere, absl::Status unauthenticated) {
  if (!tokens.IsOfAnotherServer(token)) return unauthenticated;
  return WithErrorInfo(absl::Status(elsewhere, absl::StrCat(field,
                                                            ": is of a session of another server, which is gone or was "
                                                            "not asked; what stands before the token's first dot goes "
                                                            "along as the metadata videodiffcr-server")),
                       error_reason::kSessionElsewhere, {{"field", std::string(field)}});
}

absl::Status UpdateSession(const CallEnvironment& environment, const Caller& caller,
                           const v1::UpdateSessionRequest& request) {
  if (absl::Status status = CheckToken(environment, caller, request.session_id(), request.resume_token());
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<v1::StreamVideoRequest> control = ToStreamControl(request);
  if (!control.ok()) return control.status();
  const std::shared_ptr<ServedSession> session = FindSession(environment, request.session_id());
  if (session == nullptr) return SessionOver(request.session_id());
  return session->Control(*control, std::nullopt);
}

absl::Status CancelSession(const CallEnvironment& environment, const Caller& caller,
                           const v1::CancelSessionRequest& request) {
  if (absl::Status status = CheckToken(environment, caller, request.session_id(), request.resume_token());
      !status.ok()) {
    return status;
  }
  const std::shared_ptr<ServedSession> session = FindSession(environment, request.session_id());
  if (session != nullptr) {
    const absl::Status why = absl::CancelledError("cancelled by CancelSession");
    session->End(std::nullopt, why, why);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<ServedSession>> FindWatchedSession(const CallEnvironment& environment,
                                                                  const Caller& caller,
                                                                  const v1::WatchSessionRequest& request) {
  const std::optional<std::string> name =
      environment.tokens->SessionOf(TokenKind::kWatch, request.watch_token(), TenantName(caller));
  if (!name.has_value() || *name != request.session_id()) {
    return RefuseToken(
        *environment.tokens, "watch_token", request.watch_token(), absl::StatusCode::kNotFound,
        WithErrorInfo(absl::UnauthenticatedError(
                          "watch_token: is not that of the session which session_id names; `started` has both"),
                      "WATCH_TOKEN_INVALID", {{"field", "watch_token"}}));
  }
  std::shared_ptr<ServedSession> session = FindSession(environment, request.session_id());
  if (session == nullptr) return SessionOver(request.session_id());
  return session;
}

}  // namespace videodiffcr
