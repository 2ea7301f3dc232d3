// ReadTorchArchive(): from a zip archive and its pickle to checked tensors.
//
// Layout (PyTorch, torch/serialization.py and caffe2/serialize/inline_container.h), all under one folder named after
// the file:
//   <folder>/data.pkl      the pickle
//   <folder>/version       "3\n"
//   <folder>/byteorder     "little"; missing in older files
//   <folder>/data/<key>    one storage each
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "convert/pickle_reader.h"
#include "convert/weight_file.h"

namespace videodiffcr {
namespace {

constexpr absl::string_view kPickleName = "/data.pkl";
constexpr int kOldestVersion = 1;
constexpr int kNewestVersion = 10;  // kMaxSupportedFileFormatVersion

class Reader {
 public:
  explicit Reader(const ZipArchive& archive) : archive_(archive) {}

  absl::StatusOr<SourceTensors> Read(const std::vector<std::string>& entries, bool entry_required);

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(archive_.path, ": ", what));
  }
  absl::Status TensorError(absl::string_view name, absl::string_view what) const {
    return Error(absl::StrCat("tensor '", absl::CHexEscape(name), "': ", what));
  }
  absl::Status FindFolder();
  // The text of a small entry with its checksum checked; nothing when it is not there.
  absl::StatusOr<std::optional<absl::string_view>> Text(absl::string_view name) const;
  absl::Status CheckVersionAndByteOrder() const;
  absl::StatusOr<const PickleDict*> Select(const std::vector<std::string>& entries, bool entry_required) const;
  absl::StatusOr<SourceTensor> Resolve(absl::string_view name, const PickledTensor& tensor) const;
  absl::StatusOr<SourceTensor> ResolveStorage(absl::string_view name, const PickledStorage& storage) const;
  // How many elements the shape has; an error when a size is negative, the product too large or the strides not
  // row-major.
  absl::StatusOr<int64_t> CountElements(absl::string_view name, const PickledTensor& tensor) const;

  const ZipArchive& archive_;
  std::string folder_;
  PickleDocument document_;
};

absl::StatusOr<SourceTensors> Reader::Read(const std::vector<std::string>& entries, bool entry_required) {
  if (absl::Status status = FindFolder(); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckVersionAndByteOrder(); !status.ok()) {
    return status;
  }
  const std::string pickle_name = absl::StrCat(folder_, kPickleName);
  if (absl::Status status = CheckZipEntry(archive_, pickle_name); !status.ok()) {
    return status;
  }
  absl::StatusOr<PickleDocument> document = ReadPickle(archive_.entries.at(pickle_name).data);
  if (!document.ok()) {
    return absl::Status(document.status().code(),
                        absl::StrCat(archive_.path, ": ", pickle_name, ": ", document.status().message()));
  }
  document_ = *std::move(document);
  const absl::StatusOr<const PickleDict*> dict = Select(entries, entry_required);
  if (!dict.ok()) {
    return dict.status();
  }
  SourceTensors tensors;
  for (const auto& [key, value] : (*dict)->items) {
    const auto* name = std::get_if<absl::string_view>(&document_.values[key]);
    const auto* pickled = std::get_if<PickledTensor>(&document_.values[value]);
    if (name == nullptr) {
      return Error("a tensor whose name is not a string");
    }
    if (pickled == nullptr) {
      return TensorError(*name, "the value under this name is not a tensor");
    }
    absl::StatusOr<SourceTensor> tensor = Resolve(*name, *pickled);
    if (!tensor.ok()) {
      return tensor.status();
    }
    if (!tensors.emplace(*name, *std::move(tensor)).second) {
      return TensorError(*name, "is there twice");
    }
  }
  return tensors;
}

absl::Status Reader::FindFolder() {
  std::vector<std::string> found;
  for (const auto& [name, entry] : archive_.entries) {
    absl::string_view folder = name;
    if (absl::ConsumeSuffix(&folder, kPickleName) && folder.find('/') == absl::string_view::npos) {
      found.emplace_back(folder);
    }
  }
  if (found.size() != 1) {
    return Error(absl::StrCat("a zip archive with ", found.size(),
                              " entries FOLDER/data.pkl instead of one: torch.save did not write it"));
  }
  folder_ = found.front();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<absl::string_view>> Reader::Text(absl::string_view name) const {
  const std::string full_name = absl::StrCat(folder_, "/", name);
  const auto entry = archive_.entries.find(full_name);
  if (entry == archive_.entries.end()) {
    return std::nullopt;
  }
  if (absl::Status status = CheckZipEntry(archive_, full_name); !status.ok()) {
    return status;
  }
  const absl::Span<const uint8_t> data = entry->second.data;
  return absl::string_view(reinterpret_cast<const char*>(data.data()), data.size());
}

absl::Status Reader::CheckVersionAndByteOrder() const {
  const absl::StatusOr<std::optional<absl::string_view>> version = Text("version");
  const absl::StatusOr<std::optional<absl::string_view>> byte_order = Text("byteorder");
  if (!version.ok() || !byte_order.ok()) {
    return version.ok() ? byte_order.status() : version.status();
  }
  int number = 0;
  if (!version->has_value() || !absl::SimpleAtoi(**version, &number) || number < kOldestVersion ||
      number > kNewestVersion) {
    return Error(
        absl::StrCat("entry ", folder_, "/version must hold a number from ", kOldestVersion, " to ", kNewestVersion));
  }
  if (byte_order->value_or("little") != "little") {
    return Error(absl::StrCat("byte order '", absl::CHexEscape(**byte_order), "'; only 'little' is read"));
  }
  return absl::OkStatus();
}

absl::StatusOr<const PickleDict*> Reader::Select(const std::vector<std::string>& entries, bool entry_required) const {
  const auto* root = std::get_if<PickleDict>(&document_.values[document_.root]);
  if (root == nullptr) {
    return Error("its top level is not a dict");
  }
  std::vector<std::string> names;
  for (const std::string& entry : entries) {
    for (const auto& [key, value] : root->items) {
      const auto* name = std::get_if<absl::string_view>(&document_.values[key]);
      const auto* dict = std::get_if<PickleDict>(&document_.values[value]);
      if (name != nullptr && *name == entry && dict != nullptr) {
        return dict;
      }
    }
  }
  if (!entry_required) {
    return root;
  }
  for (const auto& [key, value] : root->items) {
    const auto* name = std::get_if<absl::string_view>(&document_.values[key]);
    if (name != nullptr && names.size() < 8) {
      names.push_back(absl::CHexEscape(*name));
    }
  }
  return absl::NotFoundError(absl::StrCat(archive_.path, ": no dict under '", absl::StrJoin(entries, "' or '"),
                                          "'; its top level has: ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<SourceTensor> Reader::Resolve(absl::string_view name, const PickledTensor& pickled) const {
  absl::StatusOr<SourceTensor> tensor = ResolveStorage(name, pickled.storage);
  if (!tensor.ok()) {
    return tensor.status();
  }
  const absl::StatusOr<int64_t> count = CountElements(name, pickled);
  if (!count.ok()) {
    return count.status();
  }
  const int64_t stored = pickled.storage.elements;
  if (pickled.storage_offset < 0 || pickled.storage_offset > stored || *count > stored - pickled.storage_offset) {
    return TensorError(
        name, absl::StrCat(*count, " elements from ", pickled.storage_offset, " leave its storage of ", stored));
  }
  const int64_t element_bytes = DTypeBytes(tensor->dtype);
  tensor->shape = pickled.shape;
  tensor->bytes = tensor->bytes.subspan(pickled.storage_offset * element_bytes, *count * element_bytes);
  return tensor;
}

absl::StatusOr<SourceTensor> Reader::ResolveStorage(absl::string_view name, const PickledStorage& storage) const {
  SourceTensor tensor{.dtype = storage.dtype, .zip_entry = absl::StrCat(folder_, "/data/", storage.key)};
  const auto entry = archive_.entries.find(tensor.zip_entry);
  if (entry == archive_.entries.end()) {
    return TensorError(name, absl::StrCat("no zip entry '", absl::CHexEscape(tensor.zip_entry), "'"));
  }
  tensor.bytes = entry->second.data;
  const int64_t element_bytes = DTypeBytes(storage.dtype);
  if (storage.elements < 0 || tensor.bytes.size() % element_bytes != 0 ||
      tensor.bytes.size() / element_bytes != static_cast<uint64_t>(storage.elements)) {
    return TensorError(name, absl::StrCat("its storage claims ", storage.elements, " elements of ",
                                          std::string(DTypeName(storage.dtype)), ", zip entry '",
                                          absl::CHexEscape(tensor.zip_entry), "' has ", tensor.bytes.size(), " bytes"));
  }
  return tensor;
}

absl::StatusOr<int64_t> Reader::CountElements(absl::string_view name, const PickledTensor& tensor) const {
  if (tensor.shape.size() != tensor.strides.size()) {
    return TensorError(name, absl::StrCat(tensor.shape.size(), " sizes and ", tensor.strides.size(), " strides"));
  }
  const std::string shape = absl::StrCat("[", absl::StrJoin(tensor.shape, ","), "]");
  if (std::any_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t size) { return size < 0; })) {
    return TensorError(name, absl::StrCat("shape ", shape, " has a negative size"));
  }
  int64_t count = 1;
  bool row_major = true;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    // The stride of an axis of one element is never used, and PyTorch writes what it likes there.
    row_major = row_major && (tensor.shape[i] == 1 || tensor.strides[i] == count);
    if (__builtin_mul_overflow(count, tensor.shape[i], &count)) {
      return TensorError(name, absl::StrCat("shape ", shape, " has more elements than can be counted"));
    }
  }
  if (!row_major && count > 0) {
    return TensorError(name, absl::StrCat("strides [", absl::StrJoin(tensor.strides, ","), "] of shape ", shape,
                                          " are not row-major; save it again after .contiguous()"));
  }
  return count;
}

}  // namespace

absl::StatusOr<SourceTensors> ReadTorchArchive(const ZipArchive& archive, const std::vector<std::string>& entries,
                                               bool entry_required) {
  return Reader(archive).Read(entries, entry_required);
}

}  // namespace videodiffcr
