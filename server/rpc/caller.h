// Who makes a call, as its metadata says.
#ifndef VIDEODIFFCR_SERVER_RPC_CALLER_H_
#define VIDEODIFFCR_SERVER_RPC_CALLER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/server_context.h"
#include "server/access/access_control.h"
#include "server/access/access_metrics.h"
#include "server/access/tenant.h"
#include "server/logging/log_line.h"
#include "server/logging/trace_context.h"

namespace videodiffcr {

struct Caller {
  std::string connection;          // the peer as gRPC names it, one per socket
  TraceContext trace;              // of "traceparent"; empty when there is none
  std::shared_ptr<Tenant> tenant;  // null: the server asks for no tokens
};

// Of its tenant; empty when it has none.
absl::string_view TenantName(const Caller& caller);

// Who has made calls checked. Both outlive the calls.
struct Access {
  const AccessControl* control = nullptr;  // null: everybody may call
  AccessMetrics* metrics = nullptr;        // never null once calls come
};

// `caller` is filled but for its tenant when the answer is not OK: Unauthenticated, reason TOKEN_NEEDED.
absl::Status IdentifyCaller(const grpc::CallbackServerContext& context, const Access& access, Caller* caller);

// Appends what a log line says of a caller.
void AddCaller(const Caller& caller, LogRecord* record);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALLER_H_
