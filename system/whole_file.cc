#include "system/whole_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "system/mapped_file.h"

namespace videodiffcr {
namespace {

constexpr mode_t kMode = 0666;  // less what the process's umask takes

// 0, or the reason why not. Closes the descriptor, since some file systems tell only then that bytes were lost.
int WriteAndClose(int descriptor, absl::string_view bytes) {
  int error = 0;
  while (error == 0 && !bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (close(descriptor) != 0 && errno != EINTR && error == 0) error = errno;
  return error;
}

// Where a link leads, so that the file behind it is replaced and not the link.
std::string Resolved(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

// A pipe without a reader is an error: opening it would wait for one.
int WriteInPlace(const std::string& path, absl::string_view bytes) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, kMode);
  if (descriptor < 0) return errno;
  (void)fcntl(descriptor, F_SETFL, 0);
  return WriteAndClose(descriptor, bytes);
}

absl::Status Failure(int error, const std::string& path) {
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path));
}

}  // namespace

absl::Status WriteWholeFile(const std::string& path, absl::string_view bytes) {
  struct stat found {};
  const bool exists = stat(path.c_str(), &found) == 0;
  const std::string target = exists ? Resolved(path) : path;
  const std::string partial = target + ".partial";
  const int descriptor = exists && !S_ISREG(found.st_mode)
                             ? -1
                             : open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kMode);
  int error = 0;
  if (descriptor < 0) {
    error = WriteInPlace(path, bytes);
  } else {
    if (exists) (void)fchmod(descriptor, found.st_mode & 07777);
    error = WriteAndClose(descriptor, bytes);
    if (error == 0 && rename(partial.c_str(), target.c_str()) != 0) error = errno;
    if (error != 0) (void)unlink(partial.c_str());
  }
  return Failure(error, path);
}

absl::Status CopyWholeFile(const std::string& from, const std::string& path) {
  struct stat found {};
  if (stat(from.c_str(), &found) == 0 && S_ISREG(found.st_mode) && found.st_size == 0) return WriteWholeFile(path, "");
  absl::StatusOr<MappedFile> file = MappedFile::Open(from);
  if (!file.ok()) return file.status();
  const absl::Span<const uint8_t> bytes = file->bytes();
  const absl::Status written =
      WriteWholeFile(path, absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!written.ok()) return written;
  absl::Status whole = file->CheckWhole();
  if (!whole.ok()) (void)unlink(path.c_str());
  return whole;
}

absl::Status AppendWhole(const std::string& path, absl::string_view bytes) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (descriptor < 0) return Failure(errno, path);
  struct stat before {};
  const bool regular = fstat(descriptor, &before) == 0 && S_ISREG(before.st_mode);
  const int error = WriteAndClose(descriptor, bytes);
  // By its name: some file systems tell only on closing that bytes were lost.
  if (error != 0 && regular && truncate(path.c_str(), before.st_size) != 0) return Failure(errno, path);
  return Failure(error, path);
}

}  // namespace videodiffcr
