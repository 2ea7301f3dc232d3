#include "system/whole_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "system/mapped_file.h"

namespace videodiffcr {
namespace {

constexpr mode_t kMode = 0666;  // less what the process's umask takes
constexpr mode_t kSecretMode = 0640;
constexpr int kMostLinks = 40;  // one behind the other, as the system follows them

// 0, or the reason why not.
int WriteAll(int descriptor, absl::string_view bytes) {
  int error = 0;
  while (error == 0 && !bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  return error;
}

// Some file systems tell only on closing that bytes were lost. The first of both reasons.
int Close(int descriptor, int error) {
  if (close(descriptor) != 0 && errno != EINTR && error == 0) error = errno;
  return error;
}

int WriteAndClose(int descriptor, absl::string_view bytes) { return Close(descriptor, WriteAll(descriptor, bytes)); }

struct PartialFile {
  std::string path;
  int descriptor = -1;
  int error = 0;  // why there is none
};

// Where the bytes are until they are all there: beside the target, under its name with an ending. Where that is too
// long, a number stands for the name, the same one each time, so that what a killed process left is replaced.
PartialFile OpenPartial(const std::string& target, int flags, mode_t mode) {
  constexpr char kEnding[] = ".partial";
  const std::string folder = target.substr(0, target.rfind('/') + 1);
  const std::string number = absl::StrCat(absl::Hex(std::hash<std::string>()(target), absl::kZeroPad16));
  PartialFile partial;
  for (const std::string& path : {target + kEnding, folder + number + kEnding}) {
    // Another's secret could be read by others, or lead elsewhere; a pipe would have us wait for who reads it.
    if ((flags & O_EXCL) != 0) (void)unlink(path.c_str());
    partial.path = path;
    partial.descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags, mode);
    partial.error = partial.descriptor < 0 ? errno : 0;
    if (partial.error != ENAMETOOLONG) break;
  }
  return partial;
}

// Whether the folder takes no file of ours at all. A disk that is full, and all else, is no reason to give up a file
// that is there for one in part.
bool TakesNoOtherFile(int error) { return error == EACCES || error == EPERM || error == EROFS; }

// Gives the file its name, or, behind an error, takes it away. 0, or the reason why it has not got it.
int MoveIntoPlace(const std::string& partial, const std::string& target, int error) {
  if (error == 0 && rename(partial.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) (void)unlink(partial.c_str());
  return error;
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

std::string BehindLinks(std::string path) {
  char found[PATH_MAX];
  for (int links = 0; links < kMostLinks; ++links) {
    if (realpath(path.c_str(), found) != nullptr) return found;
    const ssize_t length = readlink(path.c_str(), found, sizeof(found));
    if (length <= 0) break;
    const std::string next(found, static_cast<size_t>(length));
    path = next.front() == '/' ? next : path.substr(0, path.rfind('/') + 1) + next;
  }
  return path;
}

absl::Status WriteWholeFile(const std::string& path, absl::string_view bytes) {
  struct stat found {};
  const bool exists = stat(path.c_str(), &found) == 0;
  const std::string target = BehindLinks(path);
  if (exists && !S_ISREG(found.st_mode)) return Failure(WriteInPlace(path, bytes), path);
  const PartialFile partial = OpenPartial(target, O_TRUNC | O_NOFOLLOW, kMode);
  if (TakesNoOtherFile(partial.error)) return Failure(WriteInPlace(path, bytes), path);
  if (partial.error != 0) return Failure(partial.error, path);
  if (exists) (void)fchmod(partial.descriptor, found.st_mode & 07777);
  return Failure(MoveIntoPlace(partial.path, target, WriteAndClose(partial.descriptor, bytes)), path);
}

absl::Status WriteSecretFile(const std::string& path, absl::string_view bytes) {
  struct stat found {};
  const bool exists = stat(path.c_str(), &found) == 0;
  const std::string target = BehindLinks(path);
  const PartialFile partial = OpenPartial(target, O_EXCL, kSecretMode);
  if (partial.error != 0) return Failure(partial.error, path);
  const int descriptor = partial.descriptor;
  // Where owner and group are not for us to say, the folder's rules hold.
  if (exists && fchown(descriptor, found.st_uid, found.st_gid) == 0) (void)fchmod(descriptor, found.st_mode & 07777);
  int error = WriteAll(descriptor, bytes);
  if (error == 0 && fsync(descriptor) != 0) error = errno;
  return Failure(MoveIntoPlace(partial.path, target, Close(descriptor, error)), path);
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
