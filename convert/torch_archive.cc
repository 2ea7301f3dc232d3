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
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "convert/pickle_reader.h"
#include "convert/tensor_map.h"
#include "convert/weight_file.h"
#include "convert/zip_entry.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

constexpr absl::string_view kPickleName = "/data.pkl";
constexpr size_t kMostNamed = 4;
constexpr uint64_t kMostTextBytes = 1024;  // of version and byteorder
constexpr int kOldestVersion = 1;
constexpr int kNewestVersion = 10;  // kMaxSupportedFileFormatVersion

bool IsRowMajor(const PickledTensor& tensor) {
  int64_t count = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    // The stride of an axis of one element is never used, and PyTorch writes what it likes there.
    if (tensor.shape[i] != 1 && tensor.strides[i] != count) return false;
    count *= tensor.shape[i];
  }
  return true;
}

// Names of weights have dots and are not long. What has no dot is the trainer's, but for a number by which weights are
// multiplied. None lies under many names (_extra_state) and says nothing.
bool MayBelongToAWeight(absl::string_view name, const PickleValue& value) {
  if (std::holds_alternative<PickleNone>(value) || name.size() > kMaxTensorNameBytes) return false;
  return absl::StrContains(name, '.') || absl::StrContains(name, "alpha") || absl::StrContains(name, "scale");
}

class Reader {
 public:
  explicit Reader(const ZipArchive& archive) : archive_(archive) {}

  absl::StatusOr<SourceTensors> Read(const std::vector<std::string>& entries, bool entry_required,
                                     std::vector<std::string>* notes);

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(archive_.path, ": ", what));
  }
  absl::Status TensorError(absl::string_view name, absl::string_view what) const {
    return Error(absl::StrCat("tensor '", ShownName(name), "': ", what));
  }
  absl::Status FindFolder();
  std::string Entries() const;  // the first few names
  absl::StatusOr<SourceTensors> ReadTensors(const PickleDict& dict, std::vector<std::string>* notes) const;
  // The text of a small entry with its checksum checked; nothing when it is not there.
  absl::StatusOr<std::optional<std::string>> Text(absl::string_view name) const;
  absl::Status CheckVersionAndByteOrder() const;
  absl::StatusOr<SourceTensor> Resolve(absl::string_view name, const PickledTensor& tensor) const;
  absl::StatusOr<SourceTensor> ResolveStorage(absl::string_view name, const PickledStorage& storage) const;
  // How many elements the shape has; an error when a size is negative or the product too large.
  absl::StatusOr<int64_t> CountElements(absl::string_view name, const PickledTensor& tensor) const;
  // How many places of the storage, from its first element to its last, the tensor's `count` elements need.
  absl::StatusOr<int64_t> Reach(absl::string_view name, const PickledTensor& tensor, int64_t count,
                                int64_t stored) const;

  const ZipArchive& archive_;
  std::string folder_;
  std::string pickle_;  // unpacked; the document's strings point into it
  PickleDocument document_;
};

absl::StatusOr<SourceTensors> Reader::Read(const std::vector<std::string>& entries, bool entry_required,
                                           std::vector<std::string>* notes) {
  if (absl::Status status = FindFolder(); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckVersionAndByteOrder(); !status.ok()) {
    return status;
  }
  const std::string pickle_name = absl::StrCat(folder_, kPickleName);
  absl::StatusOr<std::string> pickle = ReadZipEntry(archive_, pickle_name, kMaxPickleBytes);
  if (!pickle.ok()) {
    return pickle.status();
  }
  pickle_ = *std::move(pickle);
  absl::StatusOr<PickleDocument> document =
      ReadPickle({reinterpret_cast<const uint8_t*>(pickle_.data()), pickle_.size()});
  if (!document.ok()) {
    return absl::Status(document.status().code(),
                        absl::StrCat(archive_.path, ": ", pickle_name, ": ", document.status().message()));
  }
  document_ = *std::move(document);
  const absl::StatusOr<const PickleDict*> dict =
      SelectTensorMap(document_, {archive_.path, entries, entry_required}, notes);
  if (!dict.ok()) {
    return dict.status();
  }
  return ReadTensors(**dict, notes);
}

// What lies among the tensors and is none is passed over, as the count of iterations of a trainer that keeps no map
// apart for its weights.
absl::StatusOr<SourceTensors> Reader::ReadTensors(const PickleDict& dict, std::vector<std::string>* notes) const {
  SourceTensors tensors;
  std::vector<std::string> others;
  for (const auto& [key, value] : dict.items) {
    const auto* name = std::get_if<absl::string_view>(&document_.values[key]);
    const auto* pickled = std::get_if<PickledTensor>(&document_.values[value]);
    if (pickled == nullptr) {
      if (name != nullptr && MayBelongToAWeight(*name, document_.values[value])) {
        return TensorError(*name, "the value under this name is not a tensor");
      }
      // One name may stand here as often as the file likes.
      if (others.size() < kMostNamed) {
        others.push_back(name == nullptr ? "a key that is no string" : ShownName(*name));
      } else if (others.size() == kMostNamed) {
        others.push_back("...");
      }
      continue;
    }
    if (name == nullptr) {
      return Error("a tensor whose name is not a string");
    }
    if (name->size() > kMaxTensorNameBytes) {
      return TensorError(*name, absl::StrCat("a name of more than ", kMaxTensorNameBytes, " bytes"));
    }
    if (tensors.size() == kMaxTensors) return Error(absl::StrCat("more than ", kMaxTensors, " tensors"));
    if (!pickled->foreign.empty()) return TensorError(*name, pickled->foreign);
    absl::StatusOr<SourceTensor> tensor = Resolve(*name, *pickled);
    if (!tensor.ok()) {
      return tensor.status();
    }
    if (!tensors.emplace(*name, *std::move(tensor)).second) {
      return TensorError(*name, "is there twice");
    }
  }
  if (tensors.empty() && !others.empty()) {
    return Error(absl::StrCat("no tensor among what it holds: ", absl::StrJoin(others, ", ")));
  }
  if (!others.empty() && notes != nullptr) {
    notes->push_back(absl::StrCat(archive_.path, ": passed over, being no tensor: ", absl::StrJoin(others, ", ")));
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
                              " entries FOLDER/data.pkl instead of one, not one of torch.save; it holds ", Entries(),
                              ". If the weights are among these, unpack it and give their file"));
  }
  folder_ = found.front();
  return absl::OkStatus();
}

std::string Reader::Entries() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : archive_.entries) {
    if (names.size() < kMostNamed) names.push_back(ShownName(name));
  }
  if (archive_.entries.size() > names.size()) names.push_back("...");
  return names.empty() ? "nothing" : absl::StrJoin(names, ", ");
}

absl::StatusOr<std::optional<std::string>> Reader::Text(absl::string_view name) const {
  const std::string full_name = absl::StrCat(folder_, "/", name);
  if (!archive_.entries.contains(full_name)) {
    return std::nullopt;
  }
  absl::StatusOr<std::string> text = ReadZipEntry(archive_, full_name, kMostTextBytes);
  if (!text.ok()) {
    return text.status();
  }
  return *std::move(text);
}

absl::Status Reader::CheckVersionAndByteOrder() const {
  const absl::StatusOr<std::optional<std::string>> version = Text("version");
  const absl::StatusOr<std::optional<std::string>> byte_order = Text("byteorder");
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
    return Error(absl::StrCat("byte order '", absl::CHexEscape(**byte_order),
                              "'; only 'little' is read; save it again on "
                              "a little-endian machine, which reads both"));
  }
  return absl::OkStatus();
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
  const absl::StatusOr<int64_t> reach = Reach(name, pickled, *count, stored);
  if (!reach.ok()) {
    return reach.status();
  }
  if (pickled.storage_offset < 0 || pickled.storage_offset > stored || *reach > stored - pickled.storage_offset) {
    return TensorError(
        name, absl::StrCat(*reach, " elements from ", pickled.storage_offset, " leave its storage of ", stored));
  }
  const int64_t element_bytes = DTypeBytes(tensor->dtype);
  tensor->original = std::string(name);
  tensor->shape = pickled.shape;
  if (!IsRowMajor(pickled) && *count > 0) tensor->strides = pickled.strides;
  tensor->first_byte = pickled.storage_offset * element_bytes;
  tensor->byte_count = *reach * element_bytes;
  if (!tensor->packed) tensor->bytes = tensor->bytes.subspan(tensor->first_byte, tensor->byte_count);
  return tensor;
}

absl::StatusOr<SourceTensor> Reader::ResolveStorage(absl::string_view name, const PickledStorage& storage) const {
  const std::string entry_name = absl::StrCat(folder_, "/data/", storage.key);
  const auto entry = archive_.entries.find(entry_name);
  if (entry == archive_.entries.end()) {
    return TensorError(name, absl::StrCat("no zip entry '", ShownName(entry_name), "'"));
  }
  SourceTensor tensor{.dtype = storage.type.dtype, .zip_entry = entry->first};
  tensor.packed = entry->second.deflated;
  if (!tensor.packed) tensor.bytes = entry->second.data;
  const uint64_t bytes = entry->second.bytes();
  const int64_t element_bytes = DTypeBytes(storage.type.dtype);
  if (storage.elements < 0 || bytes % element_bytes != 0 ||
      bytes / element_bytes != static_cast<uint64_t>(storage.elements)) {
    return TensorError(name, absl::StrCat("its storage claims ", storage.elements, " elements of ",
                                          std::string(DTypeName(storage.type.dtype)), ", zip entry '",
                                          ShownName(tensor.zip_entry), "' has ", bytes, " bytes"));
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
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (__builtin_mul_overflow(count, tensor.shape[i], &count)) {
      return TensorError(name, absl::StrCat("shape ", shape, " has more elements than can be counted"));
    }
  }
  return count;
}

// With strides of any order the last element lies where all axes are at their end. Strides below one let elements share
// memory, and so do those of more elements than the reach has places.
absl::StatusOr<int64_t> Reader::Reach(absl::string_view name, const PickledTensor& tensor, int64_t count,
                                      int64_t stored) const {
  if (count == 0 || IsRowMajor(tensor)) return count;
  const auto no_weight = [&] {
    return TensorError(name, absl::StrCat("strides [", absl::StrJoin(tensor.strides, ","), "] of shape [",
                                          absl::StrJoin(tensor.shape, ","),
                                          "] are not row-major and let elements share memory; save it again after "
                                          ".contiguous()"));
  };
  int64_t reach = 1;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 1) continue;
    if (tensor.strides[i] < 1) return no_weight();
    int64_t step;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &step) ||
        __builtin_add_overflow(reach, step, &reach)) {
      return TensorError(name, absl::StrCat("its strides leave its storage of ", stored));
    }
  }
  if (count > reach) return no_weight();
  return reach;
}

}  // namespace

absl::StatusOr<SourceTensors> ReadTorchArchive(const ZipArchive& archive, const std::vector<std::string>& entries,
                                               bool entry_required, std::vector<std::string>* notes) {
  return Reader(archive).Read(entries, entry_required, notes);
}

}  // namespace videodiffcr
