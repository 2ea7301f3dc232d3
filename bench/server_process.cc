#include "bench/server_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "system/port_file.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

std::string ContentsOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(const std::vector<std::string>& flags) {
  std::unique_ptr<ServerProcess> server(new ServerProcess);
  absl::Status status = server->Spawn(flags);
  if (status.ok()) status = server->WaitUntilItServes();
  if (!status.ok()) return status;
  return server;
}

absl::Status ServerProcess::Spawn(const std::vector<std::string>& flags) {
  std::string folder = (std::filesystem::temp_directory_path() / "videodiffcr_bench.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat(folder, ": cannot be made: ", strerror(errno)));
  }
  folder_ = folder;
  const std::string program =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "videodiffcr-server").string();
  std::vector<std::string> words = {program, "--listen=127.0.0.1:0",
                                    "--metrics-listen=", absl::StrCat("--port-file=", folder_, "/ports")};
  words.insert(words.end(), flags.begin(), flags.end());
  absl::StatusOr<std::unique_ptr<ChildProcess>> process =
      ChildProcess::Start(words, {.output_file = folder_ + "/output"});
  if (!process.ok()) return absl::FailedPreconditionError(process.status().message());
  process_ = *std::move(process);
  return absl::OkStatus();
}

absl::Status ServerProcess::WaitUntilItServes() {
  const absl::Time began = SteadyNow();
  absl::StatusOr<int> port = ReadPortFile(folder_ + "/ports", "grpc_port");
  // Another process writes the file: looking again and again is all there is.
  for (; absl::IsNotFound(port.status()); port = ReadPortFile(folder_ + "/ports", "grpc_port")) {
    if (process_->exit_status().has_value()) {
      return absl::FailedPreconditionError(absl::StrCat("the server ended: ", ContentsOf(folder_ + "/output")));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  if (!port.ok()) return port.status();
  ready_after_ = SteadyNow() - began;
  address_ = absl::StrCat("127.0.0.1:", *port);
  return absl::OkStatus();
}

int64_t ServerProcess::ResidentBytes() const {
  int64_t pages = 0, resident = 0;
  std::ifstream(absl::StrCat("/proc/", process_->pid(), "/statm")) >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

ServerProcess::~ServerProcess() {
  process_.reset();  // it may still write into the folder
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace videodiffcr
