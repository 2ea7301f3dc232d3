// Reads the directory of a zip archive as torch.save writes it: stored entries only, in place, without copying.
//
// Our own reader and not libzip: we need pointers into the mapping, and want the few shapes that torch.save writes and
// no more. Compressed entries are refused outright (torch.save never writes them), so no archive can unpack to more
// than its own size.
//
// Layout (APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16):
//   archive := entry* directory-header* [zip64-end zip64-locator] end-of-directory
//   entry   := local-header name extra data [data-descriptor]
#ifndef VIDEODIFFCR_CONVERT_ZIP_ARCHIVE_H_
#define VIDEODIFFCR_CONVERT_ZIP_ARCHIVE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace videodiffcr {

struct ZipEntry {
  absl::Span<const uint8_t> data;  // into the bytes given to OpenZipArchive()
  uint32_t crc32 = 0;              // as the directory states it; compare with CheckZipEntry()
};

struct ZipArchive {
  std::string path;
  std::map<std::string, ZipEntry, std::less<>> entries;
};

// `bytes` is the whole file and must outlive the result; `path` is for messages. InvalidArgument, naming file and
// entry, for anything but a well-formed archive of stored entries: a directory that is cut, lies about sizes or counts,
// or leaves the file; entries that overlap, are compressed, encrypted or doubled; names that are absolute or climb out
// with "..".
absl::StatusOr<ZipArchive> OpenZipArchive(absl::Span<const uint8_t> bytes, std::string path);

// DataLoss when the entry's bytes do not have the checksum that the directory states. Reads all of them.
absl::Status CheckZipEntry(const ZipArchive& archive, absl::string_view name);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_ZIP_ARCHIVE_H_
