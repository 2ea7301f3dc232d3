// A whole file, mapped for reading.
#ifndef VIDEODIFFCR_CONVERT_MAPPED_FILE_H_
#define VIDEODIFFCR_CONVERT_MAPPED_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace videodiffcr {

// Thread-safe: immutable after Open().
class MappedFile {
 public:
  // NotFound, PermissionDenied or InvalidArgument (a folder, an empty file) with the path.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  absl::Span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  void Unmap();

  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Tells the kernel that these mapped bytes will not be read again soon, so that a conversion's resident memory stays
// near one tensor whatever the file's size. The bytes stay readable.
void ReleaseMappedPages(absl::Span<const uint8_t> bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_MAPPED_FILE_H_
