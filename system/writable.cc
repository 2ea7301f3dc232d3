#include "system/writable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "system/whole_file.h"

namespace videodiffcr {

absl::Status CheckWritable(const std::string& path, std::string_view flag) {
  struct stat found;
  if (stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
    // Opening a pipe or a device may wait for somebody, or do something.
    return access(path.c_str(), W_OK) == 0 ? absl::OkStatus() : CannotWrite(path, flag, errno);
  }
  // Exclusive, so that only a file of our own is removed; behind a link that leads to none yet, too.
  const std::string target = BehindLinks(path);
  int descriptor = open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const bool made = descriptor >= 0;
  if (!made && errno == EEXIST) descriptor = open(target.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return CannotWrite(path, flag, errno);
  close(descriptor);
  if (made) unlink(target.c_str());
  return absl::OkStatus();
}

absl::Status CannotWrite(const std::string& path, std::string_view flag, int error) {
  const absl::string_view first = error == ENOENT ? "make its folder, or " : "";
  return absl::Status(absl::ErrnoToStatusCode(error),
                      absl::StrCat("cannot write ", path, " (", std::strerror(error), "): ", first,
                                   "name another file with ", std::string(flag)));
}

}  // namespace videodiffcr
