#include "server/sockets/poll_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

namespace videodiffcr {

PollThread::PollThread() : leave_(eventfd(0, EFD_CLOEXEC)) {}

PollThread::~PollThread() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(leave_.get(), &one, sizeof(one));
  thread_.join();
}

absl::Status PollThread::Start(std::function<void()> run) {
  if (!leave_.valid()) return absl::UnavailableError(std::strerror(errno));
  try {
    thread_ = std::thread(std::move(run));
  } catch (const std::system_error& error) {
    return absl::UnavailableError(error.what());
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
