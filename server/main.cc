// videodiffcr-server. The only file that knows both the model and the server.
// Exit status: 0 after SIGTERM or Ctrl-C, 1 when it cannot serve, or cannot any more, 2 for a wrong flag.
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <future>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "command_line/program.h"
#include "model/load/create_video_model.h"
#include "server/serve_until_stopped.h"
#include "server/server.h"
#include "server/server_flags.h"
#include "system/orderly_exit.h"
#include "threading/clock.h"

namespace videodiffcr {
namespace {

constexpr char kName[] = "videodiffcr-server";

int Fail(const absl::Status& status) {
  std::cerr << kName << ": " << status.message() << std::endl;
  return kFailed;
}

absl::StatusOr<std::unique_ptr<VideoModel>> LoadModel(const CommandLine& command_line) {
  VideoModelOptions options;
  options.model_folder = command_line.model_folder;
  options.device = command_line.device;
  options.threads = command_line.threads;
  options.precision = command_line.precision;
  options.gpu_sessions = command_line.gpu_sessions;
  return CreateVideoModel(options);
}

int Main(int argc, char** argv) {
  ExitOnUnattributableFailures(kName);
  // Blocked before any thread starts, since threads inherit it: only the waits below see them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  const absl::StatusOr<CommandLine> command_line = ParseCommandLine({argv + 1, argv + argc});
  if (!command_line.ok()) return RefuseCommandLine(kName, kName, command_line.status(), std::cerr);
  if (!command_line->parsed.answer.empty()) return WriteAnswer(kName, command_line->parsed, std::cout, std::cerr);
  RealClock clock;
  const absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(command_line->config, &clock);
  if (!server.ok()) return Fail(server.status());
  // Beside this thread, so that a signal need not wait for gigabytes of weights.
  std::future<absl::Status> loading = std::async(std::launch::async, [&command_line, &server] {
    return (*server)->Load([&command_line] { return LoadModel(*command_line); });
  });
  while (loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    const timespec moment = {0, 50'000'000};
    if (sigtimedwait(&stop_signals, nullptr, &moment) < 0) continue;
    std::cerr << kName << ": told to stop while loading" << std::endl;
    std::_Exit(0);  // nobody has been served yet, and nothing waits to be written
  }
  if (const absl::Status loaded = loading.get(); !loaded.ok()) return Fail(loaded);

  const absl::Status served = ServeUntilStopped(server->get(), stop_signals);
  if (served.ok()) return kDone;
  // At once: a lost device may fail, or stop, whoever gives its memory back.
  std::_Exit(Fail(served));
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) { return videodiffcr::Main(argc, argv); }
