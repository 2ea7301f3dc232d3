#include "bench/server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "system/steady_time.h"

extern char** environ;

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
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string output = folder_ + "/output";
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const int failed = posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == 0) return absl::OkStatus();
  pid_ = -1;
  return absl::FailedPreconditionError(absl::StrCat(program, ": cannot be started: ", strerror(failed)));
}

absl::Status ServerProcess::WaitUntilItServes() {
  const absl::Time began = SteadyNow();
  // Another process writes the file, whole or not at all: looking again and again is all there is.
  while (!std::filesystem::exists(folder_ + "/ports")) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return absl::FailedPreconditionError(absl::StrCat("the server ended: ", ContentsOf(folder_ + "/output")));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  ready_after_ = SteadyNow() - began;
  const std::string ports = ContentsOf(folder_ + "/ports"), key = "grpc_port=";
  const size_t begin = ports.find(key) + key.size();
  address_ = absl::StrCat("127.0.0.1:", ports.substr(begin, ports.find('\n', begin) - begin));
  return absl::OkStatus();
}

int64_t ServerProcess::ResidentBytes() const {
  int64_t pages = 0, resident = 0;
  std::ifstream(absl::StrCat("/proc/", pid_, "/statm")) >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace videodiffcr
