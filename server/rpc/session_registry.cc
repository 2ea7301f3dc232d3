#include "server/rpc/session_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_details.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {

absl::StatusOr<SessionRegistry::Slot> SessionRegistry::Enter(const std::string& connection) {
  MutexLock lock(&mutex_);
  const auto sessions = sessions_by_connection_.find(connection);
  if (sessions != sessions_by_connection_.end() && sessions->second >= max_sessions_per_connection_) {
    const std::string description = absl::StrCat("at most ", max_sessions_per_connection_, " sessions per connection");
    return WithQuotaFailure(
        WithErrorInfo(absl::ResourceExhaustedError(absl::StrCat("this connection has ", sessions->second, " sessions; ",
                                                                description, "; end one or open another")),
                      error_reason::kTooManySessionsOnConnection,
                      {{"limit", absl::StrCat(max_sessions_per_connection_)}}),
        absl::StrCat("connection:", connection), description);
  }
  std::string key = connection;
  ++sessions_by_connection_[connection];
  return Slot(this, std::move(key));  // what throws before has taken no place
}

void SessionRegistry::Leave(const std::string& connection) {
  MutexLock lock(&mutex_);
  const auto sessions = sessions_by_connection_.find(connection);
  if (--sessions->second == 0) sessions_by_connection_.erase(sessions);
}

}  // namespace videodiffcr
