// Whether a file is still the one that was read.
#ifndef VIDEODIFFCR_SERVER_ACCESS_FILE_STAMP_H_
#define VIDEODIFFCR_SERVER_ACCESS_FILE_STAMP_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace videodiffcr {

// Equal stamps: the same content, unless somebody sets times by hand. All zero when there is no such file. Follows
// links, as Kubernetes lays its secrets.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = 0;
  int64_t seconds = 0;
  int64_t nanoseconds = 0;

  static FileStamp Of(const std::string& path) {
    struct stat file = {};
    if (stat(path.c_str(), &file) != 0) return {};
    return {file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
  }
  bool operator==(const FileStamp&) const = default;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_FILE_STAMP_H_
