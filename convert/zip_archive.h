// Reads the directory of a zip archive of torch.save, in place, without copying. Entries are stored, as torch.save
// writes them, or deflated, as archives are that somebody packed again.
//
// Our own reader and not libzip: we need pointers into the mapping, and want the few shapes that torch.load takes and
// no more. What an entry claims to unpack to is bounded by what deflate can do with its bytes.
//
// Layout (APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16):
//   archive := entry* directory-header* [zip64-end zip64-locator] end-of-directory
//   entry   := local-header name extra data [data-descriptor]
#ifndef VIDEODIFFCR_CONVERT_ZIP_ARCHIVE_H_
#define VIDEODIFFCR_CONVERT_ZIP_ARCHIVE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace videodiffcr {

struct ZipEntry {
  absl::Span<const uint8_t> data;  // into the bytes given to OpenZipArchive(); packed when `deflated`
  uint32_t crc32 = 0;              // of the unpacked bytes, as the directory states it; compare with CheckZipEntry()
  bool deflated = false;
  uint64_t plain_bytes = 0;  // of a deflated entry: what it unpacks to, as the directory states it

  uint64_t bytes() const { return deflated ? plain_bytes : data.size(); }
};

struct ZipArchive {
  std::string path;
  std::map<std::string, ZipEntry, std::less<>> entries;
  // Every entry's checksum is zero: whoever wrote it left them out, and no damage can be seen.
  bool without_checksums = false;
};

// `bytes` is the whole file and must outlive the result; `path` is for messages. InvalidArgument, naming file and
// entry, for anything but a well-formed archive: a directory that is cut, lies about sizes or counts, or leaves the
// file; entries that overlap, are encrypted, doubled or packed by another method; names that are absolute or climb out
// with "..". Empty entries for folders are left out. Up to 64 KiB may follow the archive.
absl::StatusOr<ZipArchive> OpenZipArchive(absl::Span<const uint8_t> bytes, std::string path);

// DataLoss when the bytes of a stored entry do not have the checksum that the directory states. Reads all of them and
// hands each piece, once read, to `release`. A deflated entry passes: its checksum is compared where it is unpacked
// (zip_entry.h).
using PieceRelease = std::function<void(absl::Span<const uint8_t>)>;
absl::Status CheckZipEntry(const ZipArchive& archive, absl::string_view name, const PieceRelease& release = nullptr);

// NotFound names archive and entry.
absl::StatusOr<const ZipEntry*> FindZipEntry(const ZipArchive& archive, absl::string_view name);

// CheckZipEntry() of bytes whose checksum was computed.
absl::Status CheckZipChecksum(const ZipArchive& archive, absl::string_view name, uint32_t found);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_ZIP_ARCHIVE_H_
