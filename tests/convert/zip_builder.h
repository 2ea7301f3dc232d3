// Writes zip archives as torch.save does, and broken ones: every field of an entry can be made to lie.
#ifndef VIDEODIFFCR_TESTS_CONVERT_ZIP_BUILDER_H_
#define VIDEODIFFCR_TESTS_CONVERT_ZIP_BUILDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace videodiffcr {

struct ZipTestEntry {
  std::string name;
  std::string data;
  uint16_t method = 0;
  bool deflate = false;                   // pack the data, with method 8
  uint16_t flags = 0x0800;                // names are UTF-8
  bool data_descriptor = false;           // sizes and checksum after the data, as PyTorch writes them
  bool zip64 = false;                     // sizes and offset in the zip64 extra field
  std::optional<uint32_t> crc32;          // instead of the right one
  std::optional<uint64_t> plain_bytes;    // in the directory, instead of data.size()
  std::optional<uint64_t> stored_bytes;   // in the directory, instead of data.size()
  std::optional<uint64_t> local_offset;   // in the directory, instead of the entry's place
  std::optional<std::string> local_name;  // in the local header, instead of `name`
  std::optional<uint32_t> local_bytes;    // in the local header, instead of data.size()
};

struct ZipTestOptions {
  bool zip64_end = false;  // also a zip64 end record and its locator
  std::string comment;
  std::string appended;             // after the archive
  std::optional<uint64_t> entries;  // in the end record, instead of the right number
  std::optional<uint64_t> directory_offset;
  std::optional<uint64_t> directory_bytes;
};

std::string BuildZip(const std::vector<ZipTestEntry>& entries, const ZipTestOptions& options = {});

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_CONVERT_ZIP_BUILDER_H_
