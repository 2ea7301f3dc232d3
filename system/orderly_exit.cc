#include "system/orderly_exit.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <initializer_list>

namespace videodiffcr {
namespace {

const char* program_name = "";

// No memory, no locks: it may run in a signal handler, or because there is no memory.
[[noreturn]] void Exit(const char* why, const char* detail) {
  char line[512];
  size_t used = 0;
  for (const char* part : {program_name, ": ", why, detail, "; the process ends\n"}) {
    const size_t length = std::strlen(part);
    if (used + length > sizeof(line)) break;
    std::memcpy(line + used, part, length);
    used += length;
  }
  // A log that nobody reads must not hold the end up.
  pollfd out = {STDERR_FILENO, POLLOUT, 0};
  if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, used);
  }
  _exit(1);
}

[[noreturn]] void OnTerminate() {
  if (const std::exception_ptr current = std::current_exception()) {
    try {
      std::rethrow_exception(current);
    } catch (const std::exception& error) {
      Exit("a failure that belongs to no session: ", error.what());
    } catch (...) {
    }
  }
  Exit("a failure that belongs to no session", "");
}

void OnAbort(int) { Exit("aborted: a library found no memory, or found itself broken", ""); }

}  // namespace

void ExitOnUnattributableFailures(const char* program) {
  program_name = program;
  std::set_terminate(OnTerminate);
  struct sigaction action {};
  action.sa_handler = OnAbort;
  sigemptyset(&action.sa_mask);
  sigaction(SIGABRT, &action, nullptr);
}

}  // namespace videodiffcr
