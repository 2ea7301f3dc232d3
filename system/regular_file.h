// Files from outside, opened so that none can hold the process or fill its memory: regular files only, read within a
// bound. Every reader of the programs comes through here or through mapped_file.h.
#ifndef VIDEODIFFCR_SYSTEM_REGULAR_FILE_H_
#define VIDEODIFFCR_SYSTEM_REGULAR_FILE_H_

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

  RegularFile(RegularFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), bytes_(other.bytes_) {}
  RegularFile& operator=(RegularFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~RegularFile();

  int descriptor() const { return descriptor_; }
  int64_t bytes() const { return bytes_; }  // when it was opened

 private:
  RegularFile(int descriptor, int64_t bytes) : descriptor_(descriptor), bytes_(bytes) {}
  int descriptor_;
  int64_t bytes_;
};

// All of the file. InvalidArgument when it has more than `max_bytes`, whatever its size was said to be.
absl::StatusOr<std::string> ReadRegularFile(const std::string& path, int64_t max_bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_REGULAR_FILE_H_
