#include "command_line/standard_streams.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

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

}  // namespace

void PrepareStandardStreams() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a limit of the size of files
}

}  // namespace videodiffcr
