#include "server/rpc/grpc_log.h"

#include "grpc/support/log.h"
#include "server/logging/log_line.h"

namespace videodiffcr {

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* arguments) {
    const bool error = arguments->severity == GPR_LOG_SEVERITY_ERROR;
    LogRecord record{error ? LogLevel::kWarning : LogLevel::kDebug, "grpc", arguments->message};
    Log(record);
  });
}

}  // namespace videodiffcr
