// Files from outside, opened so that none can hold the process or fill its memory: regular files only, read within a
// bound. Every reader of the programs comes through here or through mapped_file.h.
#ifndef VIDEODIFFCR_SYSTEM_REGULAR_FILE_H_
#define VIDEODIFFCR_SYSTEM_REGULAR_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace videodiffcr {

// An open file, closed when this goes.
class RegularFile {
 public:
  // Never waits: a pipe of that name is an error like a folder or a device. NotFound and the system's other reasons,
  // InvalidArgument for what is no regular file; the path comes first in the message.
  static absl::StatusOr<RegularFile> Open(const std::string& path);

  RegularFile(RegularFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), bytes_(other.bytes_), path_(std::move(other.path_)) {}
  RegularFile& operator=(RegularFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(bytes_, other.bytes_);
    std::swap(path_, other.path_);
    return *this;
  }
  ~RegularFile();

  int descriptor() const { return descriptor_; }
  int64_t bytes() const { return bytes_; }  // when it was opened

  // Bytes from `at` on, at most `most` of them, into `to`; how many, 0 behind the end. The system's reasons, the path
  // first in the message; Unavailable where they would have to be waited for.
  absl::StatusOr<size_t> ReadAt(int64_t at, char* to, size_t most) const;

 private:
  RegularFile(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
  int descriptor_;
  int64_t bytes_ = 0;
  std::string path_;
};

// All of the file. InvalidArgument when it has more than `max_bytes`, whatever its size was said to be.
absl::StatusOr<std::string> ReadRegularFile(const std::string& path, int64_t max_bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_REGULAR_FILE_H_
