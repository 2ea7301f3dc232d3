#include "system/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<RegularFile> RegularFile::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be opened"));
  RegularFile file(descriptor, path);
  struct stat about {};
  if (fstat(descriptor, &about) != 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be looked at"));
  if (!S_ISREG(about.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  file.bytes_ = about.st_size;
  return file;
}

RegularFile::~RegularFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<size_t> RegularFile::ReadAt(int64_t at, char* to, size_t most) const {
  ssize_t got = 0;
  do {
    got = pread(descriptor_, to, most, static_cast<off_t>(at));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot be read"));
  return static_cast<size_t>(got);
}

absl::StatusOr<std::string> ReadRegularFile(const std::string& path, int64_t max_bytes) {
  const absl::StatusOr<RegularFile> file = RegularFile::Open(path);
  if (!file.ok()) return file.status();
  const auto too_long = [&](int64_t bytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": has ", bytes, " bytes; it may have at most ", max_bytes));
  };
  if (file->bytes() > max_bytes) return too_long(file->bytes());
  constexpr int64_t kBlock = 64 << 10;
  std::string content;
  // To its end rather than to its size: it may have grown, and files of /proc say that they are empty.
  while (static_cast<int64_t>(content.size()) <= max_bytes) {
    const size_t before = content.size();
    content.resize(
        before + static_cast<size_t>(std::clamp(file->bytes() - static_cast<int64_t>(before) + 1, int64_t{1}, kBlock)));
    const absl::StatusOr<size_t> got =
        file->ReadAt(static_cast<int64_t>(before), content.data() + before, content.size() - before);
    if (!got.ok()) return got.status();
    content.resize(before + *got);
    if (*got == 0) return content;
  }
  return too_long(static_cast<int64_t>(content.size()));
}

}  // namespace videodiffcr
