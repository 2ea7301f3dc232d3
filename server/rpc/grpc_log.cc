#include "server/rpc/grpc_log.h"

#include "absl/strings/str_cat.h"
#include "grpc/support/log.h"
#include "server/logging/log_line.h"

namespace videodiffcr {

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* arguments) {
    LogLine(absl::StrCat("grpc ", gpr_log_severity_string(arguments->severity), ": ", arguments->message));
  });
}

}  // namespace videodiffcr
