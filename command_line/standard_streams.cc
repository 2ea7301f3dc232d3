#include "command_line/standard_streams.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iostream>
#include <streambuf>

namespace videodiffcr {
namespace {

void OpenMissingStreams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    // The lowest number that is free is this stream's: those before it are open by now. Standard output that nobody has
    // is a failure to write; messages that nobody wants are not.
    if (fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
      (void)open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
}

// In main() it would be too late: libraries open descriptors of their own as they are loaded (gRPC an eventfd). What
// stands here runs before their initialisers do.
__attribute__((section(".preinit_array"), used)) void (*open_missing_streams)() = &OpenMissingStreams;

constexpr int kPatienceMilliseconds = 1000;

// Messages to a standard error that may be a pipe which nobody reads any more: what it does not take is dropped, since
// the program's work is worth more than what it says of it. Any thread.
class PatientMessages final : public std::streambuf {
 protected:
  int_type overflow(int_type c) override {
    const char character = traits_type::to_char_type(c);
    if (!traits_type::eq_int_type(c, traits_type::eof())) Put(&character, 1);
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    Put(bytes, static_cast<size_t>(count));
    return count;
  }

 private:
  // A pipe that says it has room takes as much as PIPE_BUF without a wait. Patience once, until it has room again.
  void Put(const char* bytes, size_t count) {
    while (count > 0) {
      pollfd out = {STDERR_FILENO, POLLOUT, 0};
      const int ready = poll(&out, 1, full_ ? 0 : kPatienceMilliseconds);
      if (ready < 0 && errno == EINTR) continue;
      full_ = ready == 0;
      if (ready <= 0) return;
      const ssize_t written = write(STDERR_FILENO, bytes, std::min<size_t>(count, PIPE_BUF));
      if (written < 0 && errno != EINTR && errno != EAGAIN) return;
      bytes += std::max<ssize_t>(written, 0);
      count -= static_cast<size_t>(std::max<ssize_t>(written, 0));
    }
  }

  std::atomic<bool> full_ = false;
};

}  // namespace

void PrepareStandardStreams() {
  static PatientMessages* const messages = new PatientMessages;  // to the process's last word
  std::cerr.rdbuf(messages);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a limit of the size of files
}

}  // namespace videodiffcr
