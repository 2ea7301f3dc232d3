#include "training/prompts/text_cache.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "checksum/crc32c.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/safetensors_writer.h"
#include "model/weights/weight_table.h"

namespace videodiffcr::training {
namespace {

constexpr char kRows[] = "rows";

std::string ChecksumOf(const TensorEntry& entry) {
  const auto* bytes = reinterpret_cast<const char*>(entry.data);
  return absl::StrFormat("%08x", Crc32c({bytes, static_cast<size_t>(entry.bytes)}));
}

bool Says(const SafetensorsReader& file, const std::string& key, const std::string& value) {
  const auto found = file.metadata().find(key);
  return found != file.metadata().end() && found->second == value;
}

}  // namespace

std::string HashName(const std::string& bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return absl::StrFormat("%016x", hash);
}

absl::StatusOr<TextCache> TextCache::Open(const std::string& folder, const std::string& fingerprint) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(folder, ": cannot be made: ", error.message()));
  return TextCache(folder, fingerprint);
}

std::string TextCache::PathOf(const std::string& prompt) const {
  return absl::StrCat(folder_, "/", HashName(absl::StrCat(fingerprint_, "\n", prompt)), ".safetensors");
}

std::optional<at::Tensor> TextCache::Find(const std::string& prompt) const {
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(PathOf(prompt));
  if (!file.ok() || !Says(*file, "prompt", prompt) || !Says(*file, "fingerprint", fingerprint_)) return std::nullopt;
  const absl::StatusOr<TensorEntry> entry = file->Find(kRows);
  if (!entry.ok() || entry->shape.size() != 2 || !Says(*file, "crc32c", ChecksumOf(*entry))) return std::nullopt;
  at::Tensor rows = CopyToTensor(*entry);
  if (!file->CheckWhole().ok()) return std::nullopt;
  return rows;
}

absl::Status TextCache::Add(const std::string& prompt, const at::Tensor& rows) const {
  const at::Tensor on_cpu = rows.cpu().contiguous();
  const absl::StatusOr<TensorEntry> entry = TensorEntryOf(on_cpu);
  if (!entry.ok()) return entry.status();
  return WriteSafetensors(PathOf(prompt), {{kRows, *entry}},
                          {{"prompt", prompt}, {"fingerprint", fingerprint_}, {"crc32c", ChecksumOf(*entry)}});
}

void TextCache::Retain(const std::vector<std::string>& prompts) const {
  std::set<std::string> wanted;
  for (const std::string& prompt : prompts) wanted.insert(std::filesystem::path(PathOf(prompt)).filename());
  std::error_code error;
  std::vector<std::filesystem::path> others;
  for (const auto& file : std::filesystem::directory_iterator(folder_, error)) {
    if (wanted.count(file.path().filename()) == 0) others.push_back(file.path());
  }
  for (const std::filesystem::path& path : others) std::filesystem::remove(path, error);
}

}  // namespace videodiffcr::training
