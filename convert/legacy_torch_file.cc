// Layout (PyTorch, torch/serialization.py, _legacy_save): pickles of a magic number, of the version 1001, of what the
// machine was, of the object, and of the list of its storages' keys; then for each of these its count of elements, in
// 64 bits, and the elements.
#include "convert/legacy_torch_file.h"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "convert/little_endian.h"
#include "convert/pickle_reader.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

// In protocol 2; that of protocol 3 differs by that number alone.
constexpr uint8_t kMagicPickle[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
constexpr int64_t kVersion = 1001;
constexpr uint8_t kArchiveVersion[] = {'3', '\n'};
constexpr size_t kCountBytes = 8;

class Reader {
 public:
  Reader(absl::Span<const uint8_t> bytes, std::string path) : rest_(bytes) { archive_.path = std::move(path); }

  absl::StatusOr<ZipArchive> Read() &&;

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(archive_.path, ": ", what));
  }
  // The next pickle; `taken`, which may be null, gets its bytes.
  absl::StatusOr<PickleDocument> NextPickle(absl::string_view name, absl::Span<const uint8_t>* taken = nullptr);
  absl::Status CheckVersion();
  absl::Status ReadStorage(absl::string_view key, const PickledStorage& storage);

  absl::Span<const uint8_t> rest_;
  ZipArchive archive_;
};

absl::StatusOr<PickleDocument> Reader::NextPickle(absl::string_view name, absl::Span<const uint8_t>* taken) {
  size_t bytes = 0;
  absl::StatusOr<PickleDocument> document = ReadFirstPickle(rest_, &bytes);
  if (!document.ok()) return Error(absl::StrCat(name, ": ", document.status().message()));
  if (taken != nullptr) *taken = rest_.first(bytes);
  rest_.remove_prefix(bytes);
  return document;
}

absl::Status Reader::CheckVersion() {
  const absl::StatusOr<PickleDocument> version = NextPickle("its version");
  if (!version.ok()) return version.status();
  const auto* number = std::get_if<int64_t>(&version->values[version->root]);
  if (number != nullptr && *number == kVersion) return absl::OkStatus();
  return Error(absl::StrCat("torch.save's format from before PyTorch 1.6, of a version other than ", kVersion));
}

absl::Status Reader::ReadStorage(absl::string_view key, const PickledStorage& storage) {
  const std::string name = absl::StrCat("storage '", ShownName(key), "' ");
  if (!storage.type.foreign.empty()) return Error(absl::StrCat(name, storage.type.foreign));
  if (rest_.size() < kCountBytes) return Error(absl::StrCat(name, "is missing: the file is cut short; fetch it again"));
  const uint64_t elements = LoadU64(rest_.data());
  rest_.remove_prefix(kCountBytes);
  const uint64_t element_bytes = DTypeBytes(storage.type.dtype);
  if (elements > rest_.size() / element_bytes) {
    return Error(absl::StrCat(name, "has ", elements, " elements, of which ", rest_.size() / element_bytes,
                              " are in the file: it is cut short; fetch it again"));
  }
  const ZipEntry entry{.data = rest_.first(elements * element_bytes)};
  if (!archive_.entries.emplace(absl::StrCat("legacy/data/", key), entry).second) {
    return Error(absl::StrCat(name, "is there twice"));
  }
  rest_.remove_prefix(elements * element_bytes);
  return absl::OkStatus();
}

absl::StatusOr<ZipArchive> Reader::Read() && {
  rest_.remove_prefix(sizeof(kMagicPickle));
  if (absl::Status status = CheckVersion(); !status.ok()) return status;
  if (absl::Status status = NextPickle("what it says of its machine").status(); !status.ok()) return status;
  absl::Span<const uint8_t> pickle;
  const absl::StatusOr<PickleDocument> object = NextPickle("its object", &pickle);
  if (!object.ok()) return object.status();
  std::map<absl::string_view, PickledStorage> storages;
  for (const PickleValue& value : object->values) {
    if (const auto* storage = std::get_if<PickledStorage>(&value)) storages.emplace(storage->key, *storage);
  }
  const absl::StatusOr<PickleDocument> keys = NextPickle("its list of storages");
  if (!keys.ok()) return keys.status();
  const auto* list = std::get_if<PickleList>(&keys->values[keys->root]);
  if (list == nullptr) return Error("its list of storages is no list");
  for (const PickleIndex item : list->items) {
    const auto* key = std::get_if<absl::string_view>(&keys->values[item]);
    const auto storage = key == nullptr ? storages.end() : storages.find(*key);
    if (storage == storages.end()) return Error("its list of storages names one that no tensor has");
    if (absl::Status status = ReadStorage(*key, storage->second); !status.ok()) return status;
  }
  archive_.entries["legacy/data.pkl"] = {.data = pickle};
  archive_.entries["legacy/version"] = {.data = kArchiveVersion};
  archive_.without_checksums = true;
  return std::move(archive_);
}

}  // namespace

bool BeginsAsLegacyTorchFile(absl::Span<const uint8_t> bytes) {
  return bytes.size() >= sizeof(kMagicPickle) && bytes[0] == kMagicPickle[0] && (bytes[1] == 2 || bytes[1] == 3) &&
         std::equal(std::begin(kMagicPickle) + 2, std::end(kMagicPickle), bytes.begin() + 2);
}

absl::StatusOr<ZipArchive> OpenLegacyTorchFile(absl::Span<const uint8_t> bytes, std::string path) {
  return Reader(bytes, std::move(path)).Read();
}

}  // namespace videodiffcr
