#include "convert/zip_archive.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "convert/little_endian.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDirectorySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kZip64EndSignature = 0x06064b50;
constexpr uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr uint64_t kLocalHeaderBytes = 30;
constexpr uint64_t kDirectoryHeaderBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kZip64EndBytes = 56;
constexpr uint64_t kZip64LocatorBytes = 20;
constexpr uint64_t kMaxCommentBytes = 65535;
constexpr uint16_t kZip64ExtraId = 0x0001;
constexpr uint32_t kSeeZip64 = 0xffffffff;  // in a 32-bit field: the number is in the zip64 extra field
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
// Deflate's best: a match of 258 bytes in two bits, and headers that only make it worse.
constexpr uint64_t kMostDeflateRatio = 1032;
constexpr uint16_t kFlagEncrypted = 1 << 0;
constexpr uint16_t kFlagDataDescriptor = 1 << 3;
constexpr uint16_t kFlagStrongEncryption = 1 << 6;
constexpr uint16_t kFlagMaskedHeader = 1 << 13;
constexpr size_t kCheckedPieceBytes = 8 << 20;
// torch.save makes one entry per tensor: released files have below two thousand.
constexpr uint64_t kMaxEntries = 1 << 20;

struct Directory {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

struct DirectoryHeader {
  std::string name;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc32 = 0;
  uint64_t stored_bytes = 0;
  uint64_t plain_bytes = 0;
  uint64_t local_offset = 0;
};

// Where an entry lies in the file, from its local header to the end of its data.
struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;
};

// Archives that were packed from a folder name the folder too.
bool IsFolder(const DirectoryHeader& header) {
  return header.name.size() > 1 && header.name.back() == '/' && header.plain_bytes == 0 && header.stored_bytes == 0;
}

bool HasNoChecksums(const ZipArchive& archive) {
  bool holds_data = false;
  for (const auto& [name, entry] : archive.entries) {
    if (entry.crc32 != 0) return false;
    holds_data = holds_data || entry.bytes() > 0;
  }
  return holds_data;
}

class Reader {
 public:
  Reader(absl::Span<const uint8_t> bytes, std::string path) : bytes_(bytes) { archive_.path = std::move(path); }

  absl::StatusOr<ZipArchive> Read();

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(archive_.path, ": ", what));
  }
  absl::Status EntryError(absl::string_view name, absl::string_view what) const {
    return Error(absl::StrCat("zip entry '", ShownName(name), "': ", what));
  }
  bool Inside(uint64_t offset, uint64_t count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }
  uint16_t U16(uint64_t offset) const { return LoadU16(bytes_.data() + offset); }
  uint32_t U32(uint64_t offset) const { return LoadU32(bytes_.data() + offset); }
  uint64_t U64(uint64_t offset) const { return LoadU64(bytes_.data() + offset); }
  std::string Text(uint64_t offset, uint64_t count) const {
    return std::string(reinterpret_cast<const char*>(bytes_.data()) + offset, count);
  }

  absl::StatusOr<uint64_t> FindEnd() const;
  absl::StatusOr<Directory> ReadEnd() const;
  absl::StatusOr<Directory> ReadZip64End(uint64_t end) const;
  // Reads the header at `offset` and moves it past the header.
  absl::StatusOr<DirectoryHeader> ReadDirectoryHeader(uint64_t* offset, uint64_t directory_end) const;
  absl::Status ReadZip64Extra(uint64_t offset, uint64_t count, DirectoryHeader* header) const;
  absl::Status CheckHeader(const DirectoryHeader& header) const;
  absl::Status CheckSizes(const DirectoryHeader& header) const;
  absl::StatusOr<ZipEntry> ReadEntry(const DirectoryHeader& header, uint64_t directory_offset);
  absl::Status CheckOverlaps();

  absl::Span<const uint8_t> bytes_;
  ZipArchive archive_;
  std::vector<Extent> extents_;
};

absl::StatusOr<ZipArchive> Reader::Read() {
  const absl::StatusOr<Directory> directory = ReadEnd();
  if (!directory.ok()) {
    return directory.status();
  }
  const uint64_t directory_end = directory->offset + directory->bytes;
  uint64_t offset = directory->offset;
  for (uint64_t i = 0; i < directory->entries; ++i) {
    absl::StatusOr<DirectoryHeader> header = ReadDirectoryHeader(&offset, directory_end);
    if (!header.ok()) {
      return header.status();
    }
    absl::StatusOr<ZipEntry> entry = ReadEntry(*header, directory->offset);
    if (!entry.ok()) {
      return entry.status();
    }
    if (IsFolder(*header)) continue;
    if (!archive_.entries.emplace(header->name, *entry).second) {
      return EntryError(header->name, "is there twice");
    }
  }
  if (offset != directory_end) {
    return Error(absl::StrCat("the zip directory has ", directory_end - offset, " bytes more than its ",
                              directory->entries, " entries need"));
  }
  if (absl::Status status = CheckOverlaps(); !status.ok()) {
    return status;
  }
  archive_.without_checksums = HasNoChecksums(archive_);
  return std::move(archive_);
}

// The end record is found from the end of the file. Its comment reaches exactly to the last byte, unless something was
// appended to the archive: then it is the last record there is.
absl::StatusOr<uint64_t> Reader::FindEnd() const {
  std::optional<uint64_t> last_record;
  if (bytes_.size() >= kEndBytes) {
    const uint64_t last = bytes_.size() - kEndBytes;
    const uint64_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
    for (uint64_t end = last + 1; end-- > first;) {
      if (U32(end) != kEndSignature) continue;
      const uint64_t record_end = end + kEndBytes + U16(end + 20);
      if (record_end == bytes_.size()) return end;
      if (record_end < bytes_.size() && !last_record.has_value()) last_record = end;
    }
  }
  if (last_record.has_value()) return *last_record;
  return Error("no zip directory at the end: the file is cut short or not a zip archive");
}

absl::StatusOr<Directory> Reader::ReadEnd() const {
  const absl::StatusOr<uint64_t> end = FindEnd();
  if (!end.ok()) {
    return end.status();
  }
  if (U16(*end + 4) != 0 || U16(*end + 6) != 0 || U16(*end + 8) != U16(*end + 10)) {
    return Error("a zip archive in several parts; join them first");
  }
  Directory directory{.offset = U32(*end + 16), .bytes = U32(*end + 12), .entries = U16(*end + 10)};
  uint64_t limit = *end;
  if (*end >= kZip64LocatorBytes && U32(*end - kZip64LocatorBytes) == kZip64LocatorSignature) {
    const absl::StatusOr<Directory> zip64 = ReadZip64End(*end);
    if (!zip64.ok()) {
      return zip64.status();
    }
    // The small record repeats what fits into it.
    if ((directory.offset != kSeeZip64 && directory.offset != zip64->offset) ||
        (directory.bytes != kSeeZip64 && directory.bytes != zip64->bytes) ||
        (directory.entries != 0xffff && directory.entries != zip64->entries)) {
      return Error("the two end records of the zip directory disagree");
    }
    limit = *end - kZip64LocatorBytes - kZip64EndBytes;
    directory = *zip64;
  }
  if (directory.offset > limit || directory.bytes > limit - directory.offset) {
    return Error(absl::StrCat("the zip directory (offset ", directory.offset, ", ", directory.bytes,
                              " bytes) leaves the file's ", bytes_.size(), " bytes"));
  }
  if (directory.entries > kMaxEntries || directory.entries > directory.bytes / kDirectoryHeaderBytes) {
    return Error(absl::StrCat("the zip directory claims ", directory.entries, " entries in ", directory.bytes,
                              " bytes; it may have at most ", kMaxEntries));
  }
  return directory;
}

absl::StatusOr<Directory> Reader::ReadZip64End(uint64_t end) const {
  const uint64_t locator = end - kZip64LocatorBytes;
  const uint64_t record = U64(locator + 8);
  // Where the record must be when nothing is hidden between the two: right before its locator.
  if (locator < kZip64EndBytes || record != locator - kZip64EndBytes || U32(record) != kZip64EndSignature ||
      U64(record + 4) != kZip64EndBytes - 12) {
    return Error("the zip64 end record is not right before its locator");
  }
  if (U32(locator + 4) != 0 || U32(locator + 16) > 1 || U32(record + 16) != 0 || U32(record + 20) != 0 ||
      U64(record + 24) != U64(record + 32)) {
    return Error("a zip archive in several parts; join them first");
  }
  return Directory{.offset = U64(record + 48), .bytes = U64(record + 40), .entries = U64(record + 32)};
}

absl::StatusOr<DirectoryHeader> Reader::ReadDirectoryHeader(uint64_t* offset, uint64_t directory_end) const {
  const uint64_t at = *offset;
  if (directory_end - at < kDirectoryHeaderBytes || U32(at) != kDirectorySignature) {
    return Error(absl::StrCat("the zip directory is damaged at byte ", at));
  }
  const uint64_t name_bytes = U16(at + 28);
  const uint64_t extra_bytes = U16(at + 30);
  const uint64_t comment_bytes = U16(at + 32);
  const uint64_t tail_bytes = name_bytes + extra_bytes + comment_bytes;
  if (directory_end - at - kDirectoryHeaderBytes < tail_bytes) {
    return Error(absl::StrCat("the zip directory is cut at byte ", at));
  }
  DirectoryHeader header{.name = Text(at + kDirectoryHeaderBytes, name_bytes),
                         .flags = U16(at + 8),
                         .method = U16(at + 10),
                         .crc32 = U32(at + 16),
                         .stored_bytes = U32(at + 20),
                         .plain_bytes = U32(at + 24),
                         .local_offset = U32(at + 42)};
  if (absl::Status status = ReadZip64Extra(at + kDirectoryHeaderBytes + name_bytes, extra_bytes, &header);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckHeader(header); !status.ok()) {
    return status;
  }
  *offset = at + kDirectoryHeaderBytes + tail_bytes;
  return header;
}

// The zip64 extra field holds, in this order, those of the three numbers that do not fit their 32-bit field.
absl::Status Reader::ReadZip64Extra(uint64_t offset, uint64_t count, DirectoryHeader* header) const {
  const uint64_t end = offset + count;
  std::optional<std::pair<uint64_t, uint64_t>> zip64;  // begin and end of its numbers
  while (end - offset >= 4) {
    const uint64_t size = U16(offset + 2);
    if (size > end - offset - 4) {
      return EntryError(header->name, "an extra field is longer than its header says");
    }
    if (U16(offset) == kZip64ExtraId && !zip64.has_value()) {
      zip64 = {offset + 4, offset + 4 + size};
    }
    offset += 4 + size;
  }
  for (uint64_t* number : {&header->plain_bytes, &header->stored_bytes, &header->local_offset}) {
    if (*number != kSeeZip64) {
      continue;
    }
    if (!zip64.has_value() || zip64->second - zip64->first < 8) {
      return EntryError(header->name, "its zip64 sizes are missing");
    }
    *number = U64(zip64->first);
    zip64->first += 8;
  }
  return absl::OkStatus();
}

absl::Status Reader::CheckHeader(const DirectoryHeader& header) const {
  const std::string& name = header.name;
  if (name.find('\0') != std::string::npos || name.find('\\') != std::string::npos) {
    return EntryError(name, "a name with a zero byte or a backslash; pack it again with slashes");
  }
  const absl::string_view path = IsFolder(header) ? absl::string_view(name).substr(0, name.size() - 1) : name;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    // An empty part is a leading, trailing or doubled slash, or no name at all: absolute names and folders fall here.
    if (part.empty() || part == "." || part == "..") {
      return EntryError(name, "a name that is absolute, a folder, or climbs out of its folder");
    }
  }
  if ((header.flags & (kFlagEncrypted | kFlagStrongEncryption | kFlagMaskedHeader)) != 0) {
    return EntryError(name, "is encrypted");
  }
  return CheckSizes(header);
}

absl::Status Reader::CheckSizes(const DirectoryHeader& header) const {
  if (header.method == kDeflated) {
    if (header.plain_bytes / kMostDeflateRatio <= header.stored_bytes) return absl::OkStatus();
    return EntryError(header.name, absl::StrCat("is compressed (method 8) and claims ", header.plain_bytes,
                                                " bytes out of ", header.stored_bytes, ", more than deflate can hold"));
  }
  if (header.method != kStored) {
    return EntryError(header.name,
                      absl::StrCat("is compressed (method ", header.method,
                                   "); torch.save stores entries as they are: unpack and store them again"));
  }
  if (header.stored_bytes != header.plain_bytes) {
    return EntryError(header.name, absl::StrCat("is stored, yet its sizes differ: ", header.stored_bytes, " and ",
                                                header.plain_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ZipEntry> Reader::ReadEntry(const DirectoryHeader& header, uint64_t directory_offset) {
  const uint64_t at = header.local_offset;
  if (at > directory_offset || directory_offset - at < kLocalHeaderBytes || U32(at) != kLocalSignature) {
    return EntryError(header.name, absl::StrCat("no local header at byte ", at));
  }
  const uint64_t name_bytes = U16(at + 26);
  const uint64_t data = at + kLocalHeaderBytes + name_bytes + U16(at + 28);
  if (data > directory_offset || header.stored_bytes > directory_offset - data) {
    return EntryError(header.name, absl::StrCat("its ", header.stored_bytes, " bytes from byte ", data, " leave the ",
                                                directory_offset, " bytes before the zip directory"));
  }
  // The local header repeats the directory; two answers to one question are an attack or damage. With a data descriptor
  // the sizes and the checksum stand after the data, and here zeros or, for large entries, all ones.
  const uint16_t flags = U16(at + 6);
  const auto repeats = [&](uint64_t offset, uint64_t value) {
    const uint32_t local = U32(offset);
    return local == value || local == kSeeZip64 || ((flags & kFlagDataDescriptor) != 0 && local == 0);
  };
  if (Text(at + kLocalHeaderBytes, name_bytes) != header.name || flags != header.flags ||
      U16(at + 8) != header.method || !repeats(at + 14, header.crc32) || !repeats(at + 18, header.stored_bytes) ||
      !repeats(at + 22, header.plain_bytes)) {
    return EntryError(header.name, "its local header and the zip directory disagree");
  }
  extents_.push_back({at, data + header.stored_bytes, header.name});
  return ZipEntry{bytes_.subspan(data, header.stored_bytes), header.crc32, header.method == kDeflated,
                  header.plain_bytes};
}

absl::Status Reader::CheckOverlaps() {
  std::sort(extents_.begin(), extents_.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < extents_.size(); ++i) {
    if (extents_[i].begin < extents_[i - 1].end) {
      return EntryError(extents_[i].name, absl::StrCat("overlaps '", ShownName(extents_[i - 1].name), "'"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ZipArchive> OpenZipArchive(absl::Span<const uint8_t> bytes, std::string path) {
  return Reader(bytes, std::move(path)).Read();
}

absl::StatusOr<const ZipEntry*> FindZipEntry(const ZipArchive& archive, absl::string_view name) {
  const auto entry = archive.entries.find(name);
  if (entry != archive.entries.end()) return &entry->second;
  return absl::NotFoundError(absl::StrCat(archive.path, ": no zip entry '", ShownName(name), "'"));
}

absl::Status CheckZipEntry(const ZipArchive& archive, absl::string_view name, const PieceRelease& release) {
  const absl::StatusOr<const ZipEntry*> entry = FindZipEntry(archive, name);
  if (!entry.ok()) return entry.status();
  if ((*entry)->deflated || archive.without_checksums) return absl::OkStatus();
  uint32_t checksum = crc32_z(0, nullptr, 0);
  for (absl::Span<const uint8_t> rest = (*entry)->data; !rest.empty();) {
    const absl::Span<const uint8_t> piece = rest.first(std::min(rest.size(), kCheckedPieceBytes));
    checksum = crc32_z(checksum, piece.data(), piece.size());
    if (release) release(piece);
    rest.remove_prefix(piece.size());
  }
  return CheckZipChecksum(archive, name, checksum);
}

absl::Status CheckZipChecksum(const ZipArchive& archive, absl::string_view name, uint32_t found) {
  const absl::StatusOr<const ZipEntry*> entry = FindZipEntry(archive, name);
  if (!entry.ok()) return entry.status();
  if (found == (*entry)->crc32 || archive.without_checksums) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      archive.path, ": zip entry '", ShownName(name), "': checksum ", absl::Hex(found, absl::kZeroPad8),
      ", the directory says ", absl::Hex((*entry)->crc32, absl::kZeroPad8), "; the file is damaged, fetch it again"));
}

}  // namespace videodiffcr
