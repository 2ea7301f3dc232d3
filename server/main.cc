// videodiffcr-server. The only file that knows both the model and the server.
// Exit status: 0 after SIGTERM or Ctrl-C, 1 when it cannot serve, or cannot any more, 2 for a wrong flag.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "command_line/program.h"
#include "command_line/standard_streams.h"
#include "media/av_messages.h"
#include "model/load/create_video_model.h"
#include "server/access/tokens_command.h"
#include "server/diagnose.h"
#include "server/logging/grpc_log.h"
#include "server/logging/log_line.h"
#include "server/serve_until_stopped.h"
#include "server/server.h"
#include "server/server_flags.h"
#include "server/sockets/descriptor_limit.h"
#include "system/exit_timer.h"
#include "system/kept_memory.h"
#include "system/orderly_exit.h"
#include "system/signals.h"
#include "threading/clock.h"

namespace videodiffcr {
namespace {

constexpr char kName[] = "videodiffcr-server";

// How long a drain and, once it is over, what is taken down behind it may take beyond their time.
constexpr absl::Duration kGrace = absl::Seconds(1);

// The log's last lines, without waiting for a reader who does not read.
int EndWith(int exit_status) {
  FlushLog(kGrace);
  return exit_status;
}

// A chunk of larger pictures takes, in and out of the encoder, as many pages as cost a viewer milliseconds to fetch
// anew.
constexpr int64_t kLargeChunkPixels = int64_t{1} << 20;

absl::StatusOr<std::unique_ptr<VideoModel>> LoadModel(const CommandLine& command_line) {
  VideoModelOptions options;
  options.model_folder = command_line.model_folder;
  options.device = command_line.device;
  options.threads = command_line.threads;
  options.niceness = command_line.config.scheduler.engine_niceness;
  options.precision = command_line.precision;
  options.gpu_sessions = command_line.gpu_sessions;
  options.truncate_prompts = command_line.long_prompts == "truncate";
  absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel(options);
  if (!model.ok()) return model;
  const ModelInfo& info = (*model)->info();
  // Behind the weights, which are not made twice, and before the server's warm-up, which fetches what chunks take.
  if (int64_t{info.width} * info.height * info.chunk_frames >= kLargeChunkPixels) KeepFreedMemory();
  return model;
}

// What became of loading. Ends the process when it is told to stop before the model is there, and rather than with the
// error of a model that cannot be loaded: whoever stops a server wants no more of it.
absl::Status LoadedOrStopped(std::future<absl::Status>& loading, const sigset_t& stop_signals) {
  const auto is_loading = [&] { return loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready; };
  bool stopped;
  do {
    stopped = TakeSignal(stop_signals, absl::Milliseconds(50));
  } while (!stopped && is_loading());
  absl::Status loaded = stopped && is_loading() ? absl::CancelledError() : loading.get();
  if (!stopped) return loaded;
  if (loaded.ok()) {
    kill(getpid(), SIGTERM);  // it serves already: for ServeUntilStopped(), which drains
    return loaded;
  }
  LogLine("told to stop while loading");
  std::_Exit(EndWith(kDone));  // nobody has been served yet
}

int Main(int argc, char** argv) {
  ExitOnUnattributableFailures(kName);
  RaiseDescriptorLimit();
  BoundHeapParts();

  if (argc > 1 && argv[1] == kTokensCommand) return RunTokensCommand({argv + 2, argv + argc}, std::cout, std::cerr);
  const absl::StatusOr<CommandLine> command_line = ParseCommandLine({argv + 1, argv + argc});
  if (!command_line.ok()) return RefuseCommandLine(kName, kName, command_line.status(), std::cerr);
  if (!command_line->answer.empty()) return WriteAnswer(kName, command_line->answer, std::cout, std::cerr);
  if (command_line->diagnose) {
    return WriteAnswer(kName, Diagnose(*command_line, {argv + 1, argv + argc}), std::cout, std::cerr);
  }
  // Behind what answers and ends by itself, where they are to end it, and before any thread starts, since threads
  // inherit it: only the waits below see them.
  const sigset_t stop_signals = StopSignals();
  BlockSignals(stop_signals);
  ConfigureLog(command_line->config.log_format, command_line->config.log_level);
  LetGrpcLogQuotePeers(command_line->config.log_prompts);
  RouteAvMessages([](std::string_view message) { Log({LogLevel::kWarning, "ffmpeg", std::string(message), {}}); });
  RealClock clock;
  ServerConfig config = command_line->config;
  if (command_line->device != "cpu") config.scheduler.engine_niceness = 0;
  config.model_fingerprint = ModelFingerprint(command_line->model_folder);
  const absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(config, &clock);
  if (!server.ok()) return Fail(kName, server.status(), std::cerr);
  // Beside this thread, so that a signal need not wait for gigabytes of weights.
  std::future<absl::Status> loading = std::async(std::launch::async, [&command_line, &server] {
    return (*server)->Load([&command_line] { return LoadModel(*command_line); });
  });
  if (const absl::Status loaded = LoadedOrStopped(loading, stop_signals); !loaded.ok()) {
    return Fail(kName, loaded, std::cerr);
  }

  const absl::Duration drain_timeout = command_line->config.drain_timeout;
  const absl::Status served =
      ServeUntilStopped(server->get(), stop_signals, [&] { EndProcessAfter(kName, drain_timeout + kGrace); });
  if (served.ok()) return EndWith(kDone);
  // At once: a lost device may fail, or stop, whoever gives its memory back.
  LogLine(served.message(), LogLevel::kError);
  std::_Exit(EndWith(kFailed));
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) {
  videodiffcr::PrepareStandardStreams();
  return videodiffcr::Main(argc, argv);
}
