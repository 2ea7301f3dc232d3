#include "tests/convert/zip_builder.h"

#include <zlib.h>

#include <cstring>

namespace videodiffcr {
namespace {

template <typename T>
std::string Bytes(uint64_t value) {
  const T narrow = static_cast<T>(value);
  std::string text(sizeof(T), '\0');
  std::memcpy(text.data(), &narrow, sizeof(T));
  return text;
}
std::string U16(uint64_t value) { return Bytes<uint16_t>(value); }
std::string U32(uint64_t value) { return Bytes<uint32_t>(value); }
std::string U64(uint64_t value) { return Bytes<uint64_t>(value); }

uint32_t Crc(const std::string& data) {
  return crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(data.data()), data.size());
}

std::string Deflated(const std::string& data) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string StoredData(const ZipTestEntry& entry) { return entry.deflate ? Deflated(entry.data) : entry.data; }
uint16_t Method(const ZipTestEntry& entry) { return entry.deflate ? 8 : entry.method; }

uint16_t Flags(const ZipTestEntry& entry) { return entry.flags | (entry.data_descriptor ? 1 << 3 : 0); }

// torch.save fills the extra field "FB" so that the data starts at a multiple of 64.
std::string Padding(size_t header_end) {
  const size_t pad = (64 - (header_end + 4) % 64) % 64;
  return "FB" + U16(pad) + std::string(pad, 'Z');
}

std::string LocalEntry(const ZipTestEntry& entry, size_t at) {
  const std::string name = entry.local_name.value_or(entry.name);
  const std::string padding = Padding(at + 30 + name.size());
  const uint32_t crc = entry.crc32.value_or(Crc(entry.data));
  const std::string stored = StoredData(entry);
  const uint64_t bytes = entry.local_bytes.value_or(stored.size());
  const uint64_t plain = entry.local_bytes.value_or(entry.plain_bytes.value_or(entry.data.size()));
  const bool later = entry.data_descriptor;
  std::string out = U32(0x04034b50) + U16(20) + U16(Flags(entry)) + U16(Method(entry)) + U16(0) + U16(0) +
                    U32(later ? 0 : crc) + U32(later ? 0 : bytes) + U32(later ? 0 : plain) + U16(name.size()) +
                    U16(padding.size()) + name + padding + stored;
  if (later) out += U32(0x08074b50) + U32(crc) + U32(bytes) + U32(plain);
  return out;
}

std::string DirectoryHeader(const ZipTestEntry& entry, size_t at) {
  const uint64_t plain = entry.plain_bytes.value_or(entry.data.size());
  const uint64_t stored = entry.stored_bytes.value_or(StoredData(entry).size());
  const uint64_t offset = entry.local_offset.value_or(at);
  const uint32_t crc = entry.crc32.value_or(Crc(entry.data));
  std::string extra;
  if (entry.zip64) extra = U16(1) + U16(24) + U64(plain) + U64(stored) + U64(offset);
  const auto number = [&entry](uint64_t value) { return U32(entry.zip64 ? 0xffffffff : value); };
  return U32(0x02014b50) + U16(0) + U16(20) + U16(Flags(entry)) + U16(Method(entry)) + U16(0) + U16(0) + U32(crc) +
         number(stored) + number(plain) + U16(entry.name.size()) + U16(extra.size()) + U16(0) + U16(0) + U16(0) +
         U32(0) + number(offset) + entry.name + extra;
}

}  // namespace

std::string BuildZip(const std::vector<ZipTestEntry>& entries, const ZipTestOptions& options) {
  std::string out;
  std::string directory;
  for (const ZipTestEntry& entry : entries) {
    directory += DirectoryHeader(entry, out.size());
    out += LocalEntry(entry, out.size());
  }
  const uint64_t count = options.entries.value_or(entries.size());
  const uint64_t offset = options.directory_offset.value_or(out.size());
  const uint64_t bytes = options.directory_bytes.value_or(directory.size());
  out += directory;
  if (options.zip64_end) {
    const size_t record = out.size();
    out += U32(0x06064b50) + U64(44) + U16(45) + U16(45) + U32(0) + U32(0) + U64(count) + U64(count) + U64(bytes) +
           U64(offset);
    out += U32(0x07064b50) + U32(0) + U64(record) + U32(1);
    return out + U32(0x06054b50) + U16(0) + U16(0) + U16(0xffff) + U16(0xffff) + U32(0xffffffff) + U32(0xffffffff) +
           U16(options.comment.size()) + options.comment + options.appended;
  }
  return out + U32(0x06054b50) + U16(0) + U16(0) + U16(count) + U16(count) + U32(bytes) + U32(offset) +
         U16(options.comment.size()) + options.comment + options.appended;
}

}  // namespace videodiffcr
