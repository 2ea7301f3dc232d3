#include "convert/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<int> CreateFile(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  return file;
}

absl::Status WriteAll(int file, absl::Span<const uint8_t> bytes, const std::string& path) {
  constexpr size_t kLargestWrite = 1 << 30;  // Linux writes at most 2 GiB at a time
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    bytes.remove_prefix(written);
  }
  return absl::OkStatus();
}

absl::Status SyncAndClose(int file, const std::string& path) {
  const int sync_error = fsync(file) == 0 ? 0 : errno;
  const int close_error = close(file) == 0 ? 0 : errno;
  const int error = sync_error != 0 ? sync_error : close_error;
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, absl::StrCat("cannot finish writing ", path));
}

absl::Status WriteNewFile(const std::string& path, absl::Span<const uint8_t> bytes) {
  const absl::StatusOr<int> file = CreateFile(path);
  if (!file.ok()) return file.status();
  absl::Status status = WriteAll(*file, bytes, path);
  status.Update(SyncAndClose(*file, path));
  return status;
}

absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open folder ", path));
  return SyncAndClose(folder, path);
}

}  // namespace videodiffcr
