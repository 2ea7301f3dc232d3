#include "tests/process/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace videodiffcr {

Process::Process(const std::vector<std::string>& arguments, const std::string& output_path) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  int write_end = -1;
  if (output_path.empty()) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      std::perror("pipe2");
      std::abort();
    }
    pipe_ = ends[0];
    write_end = ends[1];
    posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  }
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
    std::fprintf(stderr, "cannot run %s\n", argv[0]);
    std::abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  if (write_end >= 0) {
    close(write_end);
  }
}

Process::~Process() {
  if (running()) {
    Signal(SIGKILL);
    Wait();
  }
  if (pipe_ >= 0) {
    close(pipe_);
  }
}

bool Process::ReadSome() {
  if (pipe_ < 0) {
    return false;
  }
  char buffer[4096];
  const ssize_t size = read(pipe_, buffer, sizeof(buffer));
  if (size > 0) {
    output_.append(buffer, size);
  }
  return size > 0;
}

bool Process::ReadUntil(const std::string& text) {
  while (output_.find(text) == std::string::npos) {
    if (!ReadSome()) {
      return false;
    }
  }
  return true;
}

void Process::Signal(int signal) { kill(pid_, signal); }

bool Process::running() {
  int status = 0;
  if (status_ < 0 && waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return status_ < 0;
}

int Process::Wait() {
  while (ReadSome()) {
  }
  int status = 0;
  if (status_ < 0 && waitpid(pid_, &status, 0) == pid_) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return status_;
}

Finished RunProgram(const std::vector<std::string>& arguments) {
  Process process(arguments);
  const int status = process.Wait();
  return {status, process.output()};
}

}  // namespace videodiffcr
