#include "server/rpc/session_registry.h"

#include "absl/strings/str_cat.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {

absl::StatusOr<SessionRegistry::Slot> SessionRegistry::Enter(const std::string& connection,
                                                             const std::string& request_id) {
  MutexLock lock(&mutex_);
  const auto sessions = sessions_by_connection_.find(connection);
  if (sessions != sessions_by_connection_.end() && sessions->second >= max_sessions_per_connection_) {
    const std::string description = absl::StrCat("at most ", max_sessions_per_connection_, " sessions per connection");
    return WithQuotaFailure(
        WithErrorInfo(absl::ResourceExhaustedError(absl::StrCat("this connection has ", sessions->second, " sessions; ",
                                                                description, "; end one or open another")),
                      "TOO_MANY_SESSIONS_ON_CONNECTION", {{"limit", absl::StrCat(max_sessions_per_connection_)}}),
        absl::StrCat("connection:", connection), description);
  }
  if (!request_id.empty() && !request_ids_.insert(request_id).second) {
    return WithErrorInfo(absl::AlreadyExistsError(absl::StrCat("config.request_id: a session with id \"", request_id,
                                                               "\" is running; use another id for another session")),
                         "REQUEST_ID_IN_USE", {{"field", "config.request_id"}, {"value", request_id}});
  }
  ++sessions_by_connection_[connection];
  Slot slot;
  slot.registry_ = this;
  slot.connection_ = connection;
  slot.request_id_ = request_id;
  return slot;
}

void SessionRegistry::Leave(const std::string& connection, const std::string& request_id) {
  MutexLock lock(&mutex_);
  if (!request_id.empty()) request_ids_.erase(request_id);
  const auto sessions = sessions_by_connection_.find(connection);
  if (--sessions->second == 0) sessions_by_connection_.erase(sessions);
}

}  // namespace videodiffcr
