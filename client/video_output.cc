#include "client/video_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "system/writable.h"

namespace videodiffcr {
namespace {

// A pipe or terminal that somebody else has set to not block is waited for.
bool WaitUntilWritable(int descriptor) {
  pollfd wanted = {descriptor, POLLOUT, 0};
  return poll(&wanted, 1, -1) >= 0 || errno == EINTR;
}

}  // namespace

absl::StatusOr<VideoOutput> VideoOutput::Open(const std::string& path) {
  if (path == "-") return VideoOutput("standard output", STDOUT_FILENO);
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return CannotWrite(path, "--output", errno);
  return VideoOutput(path, descriptor);
}

VideoOutput::VideoOutput(VideoOutput&& other) noexcept
    : name_(std::move(other.name_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

VideoOutput::~VideoOutput() { (void)Close(); }

absl::Status VideoOutput::Write(std::string_view bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = write(descriptor_, bytes.data() + written, bytes.size() - written);
    if (count >= 0) {
      written += static_cast<size_t>(count);
    } else if (errno != EINTR && !(errno == EAGAIN && WaitUntilWritable(descriptor_))) {
      const int error = errno;
      CutBack(written);
      return Failure(error);
    }
  }
  return absl::OkStatus();
}

absl::Status VideoOutput::Close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (descriptor < 0) return absl::OkStatus();
  // Standard output stays open for others; closing a second descriptor of it tells as much.
  const int last = descriptor == STDOUT_FILENO ? dup(descriptor) : descriptor;
  return close(last) == 0 || errno == EINTR ? absl::OkStatus() : Failure(errno);
}

void VideoOutput::CutBack(size_t bytes) const {
  struct stat found;
  const off_t end = lseek(descriptor_, 0, SEEK_CUR);
  // Not when somebody else has written on behind us.
  if (bytes == 0 || end < 0 || fstat(descriptor_, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size != end) {
    return;
  }
  const off_t whole = end - static_cast<off_t>(bytes);
  if (ftruncate(descriptor_, whole) == 0) (void)lseek(descriptor_, whole, SEEK_SET);
}

absl::Status VideoOutput::Failure(int error) const {
  return absl::ResourceExhaustedError(absl::StrCat("cannot write on to ", name_, ": ", std::strerror(error)));
}

}  // namespace videodiffcr
