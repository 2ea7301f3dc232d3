// A file from outside, mapped. The pages of a file that others shorten meanwhile, or that the disk cannot give, are
// gone: instead of ending the process (SIGBUS) they read as zeros, and the mapping remembers it.
#ifndef VIDEODIFFCR_SYSTEM_MAPPED_FILE_H_
#define VIDEODIFFCR_SYSTEM_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace videodiffcr {

// Mappings of a process at once.
inline constexpr int kMostMappedFiles = 256;

// Thread-safe: immutable after Open().
class MappedFile {
 public:
  // As RegularFile::Open(); also InvalidArgument for an empty file, ResourceExhausted beyond kMostMappedFiles. The
  // first call installs the process's handler of SIGBUS, which leaves what is no mapping of ours to the one before it.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  absl::Span<const uint8_t> bytes() const { return {data_, size_}; }

  // DataLoss when bytes that were read are not the file's: ask after reading, before believing what was read.
  absl::Status CheckWhole() const;

 private:
  MappedFile() = default;
  void Unmap();

  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  int place_ = -1;  // in the handler's list
};

// Tells the kernel that these mapped bytes will not be read again soon, so that a conversion's resident memory stays
// near one tensor whatever the file's size. The bytes stay readable.
void ReleaseMappedPages(absl::Span<const uint8_t> bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_MAPPED_FILE_H_
