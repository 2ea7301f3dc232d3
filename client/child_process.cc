#include "client/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(10);

// Between fork() and exec(): nothing that takes memory or a lock.
[[noreturn]] void BecomeChild(char* const* argv, int stdin_end, const char* output_file, int failure_pipe,
                              pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);  // it ended in between
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (stdin_end >= 0) dup2(stdin_end, STDIN_FILENO);
  const int output = output_file[0] == '\0' ? -1 : open(output_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (output >= 0) {
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
  }
  if (output >= 0 || output_file[0] == '\0') execvp(argv[0], argv);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(failure_pipe, &error, sizeof(error));
  _exit(127);
}

int DecodeStatus(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& arguments,
                                                                  const ChildStreams& streams) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int failure[2];
  int input[2] = {-1, -1};
  if (pipe2(failure, O_CLOEXEC) != 0) return absl::UnavailableError(std::strerror(errno));
  if (streams.stdin_pipe != nullptr && pipe2(input, O_CLOEXEC) != 0) {
    close(failure[0]);
    close(failure[1]);
    return absl::UnavailableError(std::strerror(errno));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeChild(argv.data(), input[0], streams.output_file.c_str(), failure[1], parent);
  close(failure[1]);
  if (input[0] >= 0) close(input[0]);
  int error = pid < 0 ? errno : 0;
  // Nothing comes when exec() has closed the other end.
  if (pid > 0 && read(failure[0], &error, sizeof(error)) <= 0) error = 0;
  close(failure[0]);
  if (error == 0) {
    if (streams.stdin_pipe != nullptr) *streams.stdin_pipe = input[1];
    return absl::WrapUnique(new ChildProcess(pid));
  }
  if (input[1] >= 0) close(input[1]);
  if (pid > 0) waitpid(pid, nullptr, 0);
  return absl::NotFoundError(absl::StrCat("cannot run ", arguments[0], ": ", std::strerror(error)));
}

ChildProcess::~ChildProcess() { (void)Stop(); }

std::optional<int> ChildProcess::exit_status() {
  int status = 0;
  if (!exit_status_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) exit_status_ = DecodeStatus(status);
  return exit_status_;
}

int ChildProcess::Wait() {
  int status = 0;
  while (!exit_status_.has_value()) {
    if (waitpid(pid_, &status, 0) == pid_) exit_status_ = DecodeStatus(status);
  }
  return *exit_status_;
}

int ChildProcess::Stop(absl::Duration grace) {
  if (exit_status().has_value()) return *exit_status_;
  kill(pid_, SIGTERM);
  const absl::Time deadline = SteadyNow() + grace;
  while (!exit_status().has_value() && SteadyNow() < deadline) absl::SleepFor(kLookInterval);
  if (!exit_status().has_value()) kill(pid_, SIGKILL);
  return Wait();
}

}  // namespace videodiffcr
