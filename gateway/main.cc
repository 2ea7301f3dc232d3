// videodiffcr-gateway. Exit status: 0 after SIGTERM or Ctrl-C, 1 when it cannot serve, 2 for a wrong flag.
#include <iostream>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "command_line/program.h"
#include "command_line/standard_streams.h"
#include "gateway/gateway.h"
#include "gateway/gateway_flags.h"
#include "server/logging/grpc_log.h"
#include "server/logging/log_line.h"
#include "server/sockets/descriptor_limit.h"
#include "system/exit_timer.h"
#include "system/orderly_exit.h"
#include "system/signals.h"
#include "threading/clock.h"

namespace videodiffcr {
namespace {

constexpr char kName[] = "videodiffcr-gateway";

// How long what is taken down may wait for servers that do not answer.
constexpr absl::Duration kGrace = absl::Seconds(5);

int Main(int argc, char** argv) {
  PrepareStandardStreams();
  ExitOnUnattributableFailures(kName);
  RouteGrpcLog();
  RaiseDescriptorLimit();

  const absl::StatusOr<GatewayCommandLine> command_line = ParseGatewayCommandLine({argv + 1, argv + argc});
  if (!command_line.ok()) return RefuseCommandLine(kName, kName, command_line.status(), std::cerr);
  if (!command_line->answer.empty()) return WriteAnswer(kName, command_line->answer, std::cout, std::cerr);
  // Behind what answers and ends by itself, where they are to end it, and before any thread starts, since threads
  // inherit it: only the wait below sees them.
  const sigset_t stop_signals = StopSignals();
  BlockSignals(stop_signals);
  const RealClock clock;
  const absl::StatusOr<std::unique_ptr<Gateway>> gateway = Gateway::Create(command_line->config, &clock);
  if (!gateway.ok()) return Fail(kName, gateway.status(), std::cerr);
  LogLine(absl::StrCat("serving HTTP on port ", (*gateway)->port(), " for ",
                       absl::StrJoin(command_line->config.servers, ", ")));
  int caught = 0;
  sigwait(&stop_signals, &caught);
  EndProcessAfter(kName, kGrace);
  FlushLog(absl::Seconds(1));
  return kDone;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) { return videodiffcr::Main(argc, argv); }
