#include "tests/e2e/server_process.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "system/port_file.h"
#include "tests/system/read_file.h"

namespace videodiffcr {

std::string BinaryPath(const std::string& name) { return FromEnvironment("VIDEODIFFCR_BIN_DIR") + "/" + name; }

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "videodiffcr_e2e_" + std::to_string(getpid()) + "_" + name;
}

JudgedVideo ProbeFile(const std::string& path) { return ProbeVideo(ReadFile(path), path.substr(path.rfind('.') + 1)); }

ServerProcess::ServerProcess(const std::vector<std::string>& more_flags) {
  static int started = 0;
  ++started;
  const std::string port_file = TempPath("port" + std::to_string(started));
  log_path_ = TempPath("server" + std::to_string(started) + ".log");
  std::vector<std::string> arguments = {BinaryPath("videodiffcr-server"), "--listen=127.0.0.1:0",
                                        "--metrics-listen=", "--port-file=" + port_file};
  const bool own_model = std::any_of(more_flags.begin(), more_flags.end(),
                                     [](const std::string& flag) { return flag.starts_with("--model-folder="); });
  if (!own_model) arguments.push_back("--model-folder=" + SourcePath("models/tiny"));
  arguments.insert(arguments.end(), more_flags.begin(), more_flags.end());
  process_ = std::make_unique<Process>(arguments, log_path_);
  // Another process writes the file: looking again and again is all there is.
  absl::StatusOr<int> port = ReadPortFile(port_file, "grpc_port");
  for (; absl::IsNotFound(port.status()) && process_->running(); port = ReadPortFile(port_file, "grpc_port")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (!port.ok()) {
    std::fprintf(stderr, "the server did not start: %s\n%s\n", port.status().ToString().c_str(),
                 ReadFile(log_path_).c_str());
    std::abort();
  }
  address_ = "127.0.0.1:" + std::to_string(*port);
}

std::vector<std::string> Generate(const ServerProcess& server, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {BinaryPath("videodiffcr"), "generate", "--server", server.address()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return arguments;
}

}  // namespace videodiffcr
