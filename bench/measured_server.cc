#include "bench/measured_server.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "system/port_file.h"
#include "system/program_path.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

std::string ContentsOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MeasuredServer>> MeasuredServer::Start(const std::vector<std::string>& flags) {
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Make("videodiffcr-bench");
  if (!folder.ok()) return folder.status();
  std::unique_ptr<MeasuredServer> server(new MeasuredServer(*std::move(folder)));
  absl::Status status = server->Spawn(flags);
  if (status.ok()) status = server->WaitUntilItServes();
  if (!status.ok()) return status;
  return server;
}

absl::Status MeasuredServer::Spawn(const std::vector<std::string>& flags) {
  const absl::StatusOr<std::string> programs = FolderOfThisProgram();
  if (!programs.ok()) return programs.status();
  std::vector<std::string> words = {*programs + "/videodiffcr-server", "--listen=127.0.0.1:0",
                                    "--metrics-listen=", absl::StrCat("--port-file=", folder_.path(), "/ports")};
  words.insert(words.end(), flags.begin(), flags.end());
  absl::StatusOr<std::unique_ptr<ChildProcess>> process =
      ChildProcess::Start(words, {.output_file = folder_.path() + "/output"});
  if (!process.ok()) return absl::FailedPreconditionError(process.status().message());
  process_ = *std::move(process);
  return absl::OkStatus();
}

absl::Status MeasuredServer::WaitUntilItServes() {
  const absl::Time began = SteadyNow();
  absl::StatusOr<int> port = ReadPortFile(folder_.path() + "/ports", "grpc_port");
  // Another process writes the file: looking again and again is all there is.
  for (; absl::IsNotFound(port.status()); port = ReadPortFile(folder_.path() + "/ports", "grpc_port")) {
    if (process_->exit_status().has_value()) {
      return absl::FailedPreconditionError(absl::StrCat("the server ended: ", ContentsOf(folder_.path() + "/output")));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  if (!port.ok()) return port.status();
  ready_after_ = SteadyNow() - began;
  address_ = absl::StrCat("127.0.0.1:", *port);
  return absl::OkStatus();
}

int64_t MeasuredServer::ResidentBytes() const {
  int64_t pages = 0, resident = 0;
  std::ifstream(absl::StrCat("/proc/", process_->pid(), "/statm")) >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

MeasuredServer::~MeasuredServer() = default;

}  // namespace videodiffcr
