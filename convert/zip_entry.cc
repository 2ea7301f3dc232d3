#include "convert/zip_entry.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "convert/file_io.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
constexpr size_t kMostInputBytes = 8 << 20;  // at once

using PieceSink = std::function<absl::Status(absl::Span<const uint8_t>)>;

absl::Status Damaged(const ZipArchive& archive, absl::string_view name, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(archive.path, ": zip entry '", ShownName(name), "': ", what,
                                          "; the file is damaged, fetch it again"));
}

// Hands out the unpacked bytes piece by piece, never more than the directory promised, and compares their checksum.
absl::Status Inflate(const ZipArchive& archive, absl::string_view name, const ZipEntry& entry, const PieceSink& sink,
                     const PieceRelease& release = nullptr) {
  z_stream stream{};
  // No zlib header: a zip entry is the bare stream.
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return absl::ResourceExhaustedError("no memory to unpack with");
  const absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  std::vector<uint8_t> piece(std::min<uint64_t>(kPieceBytes, entry.plain_bytes + 1));
  absl::Span<const uint8_t> packed = entry.data, input;
  uint64_t unpacked = 0;
  uint32_t checksum = crc32_z(0, nullptr, 0);
  for (int result = Z_OK; result != Z_STREAM_END;) {
    if (stream.avail_in == 0 && !packed.empty()) {
      if (release) release(input);
      input = packed.first(std::min(packed.size(), kMostInputBytes));
      stream.next_in = const_cast<Bytef*>(input.data());
      stream.avail_in = static_cast<uInt>(input.size());
      packed.remove_prefix(input.size());
    }
    stream.next_out = piece.data();
    stream.avail_out = static_cast<uInt>(piece.size());
    result = inflate(&stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END) return Damaged(archive, name, "its packed bytes make no sense");
    const size_t count = piece.size() - stream.avail_out;
    unpacked += count;
    if (unpacked > entry.plain_bytes) return Damaged(archive, name, "unpacks to more than the directory says");
    checksum = crc32_z(checksum, piece.data(), count);
    if (absl::Status status = sink(absl::Span<const uint8_t>(piece).first(count)); !status.ok()) return status;
  }
  if (unpacked != entry.plain_bytes || stream.avail_in != 0 || !packed.empty()) {
    return Damaged(archive, name, absl::StrCat("unpacks to ", unpacked, " bytes, not ", entry.plain_bytes));
  }
  return CheckZipChecksum(archive, name, checksum);
}

}  // namespace

absl::StatusOr<std::string> ReadZipEntry(const ZipArchive& archive, absl::string_view name, uint64_t max_bytes) {
  const absl::StatusOr<const ZipEntry*> entry = FindZipEntry(archive, name);
  if (!entry.ok()) return entry.status();
  if ((*entry)->bytes() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(archive.path, ": zip entry '", ShownName(name), "': ",
                                                   (*entry)->bytes(), " bytes; at most ", max_bytes, " are read"));
  }
  std::string text;
  if ((*entry)->deflated) {
    text.reserve((*entry)->plain_bytes);
    absl::Status status = Inflate(archive, name, **entry, [&text](absl::Span<const uint8_t> piece) {
      text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return text;
  }
  if (absl::Status status = CheckZipEntry(archive, name); !status.ok()) return status;
  return std::string(reinterpret_cast<const char*>((*entry)->data.data()), (*entry)->data.size());
}

absl::StatusOr<MappedFile> UnpackZipEntry(const ZipArchive& archive, absl::string_view name, const std::string& folder,
                                          const PieceRelease& release) {
  const absl::StatusOr<const ZipEntry*> entry = FindZipEntry(archive, name);
  if (!entry.ok()) return entry.status();
  std::string path = absl::StrCat(folder.empty() ? "." : folder, "/.videodiffcr_unpacked_XXXXXX");
  const int file = mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  const absl::Cleanup close_file = [file] { close(file); };
  unlink(path.c_str());  // at once: a process that is killed leaves nothing
  const auto write = [file, &path](absl::Span<const uint8_t> piece) { return WriteAll(file, piece, path); };
  const absl::Status status = Inflate(archive, name, **entry, write, release);
  if (!status.ok()) return status;
  return MappedFile::Open(absl::StrCat("/proc/self/fd/", file));
}

}  // namespace videodiffcr
