#include "server/rpc/caller.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

// The first value of a header; empty when there is none.
absl::string_view HeaderOf(const grpc::CallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return "";
  return {found->second.data(), found->second.size()};
}

}  // namespace

absl::string_view TenantName(const Caller& caller) {
  return caller.tenant == nullptr ? absl::string_view() : caller.tenant->name();
}

absl::Status IdentifyCaller(const grpc::CallbackServerContext& context, const Access& access, Caller* caller) {
  caller->connection = context.peer();
  caller->trace = ParseTraceparent(HeaderOf(context, "traceparent"));
  if (access.control == nullptr) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<Tenant>> tenant = access.control->Authenticate(HeaderOf(context, "authorization"));
  if (!tenant.ok()) {
    access.metrics->CountRefusal("no_token");
    return WithErrorInfo(tenant.status(), "TOKEN_NEEDED");
  }
  caller->tenant = *std::move(tenant);
  return absl::OkStatus();
}

void AddCaller(const Caller& caller, LogRecord* record) {
  record->fields.push_back({"connection", caller.connection});
  record->fields.push_back({"tenant", std::string(TenantName(caller))});
  record->fields.push_back({"trace_id", caller.trace.trace_id});
  record->fields.push_back({"span_id", caller.trace.span_id});
}

}  // namespace videodiffcr
