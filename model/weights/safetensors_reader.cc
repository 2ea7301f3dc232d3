#include "model/weights/safetensors_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/weights/safetensors_header.h"

namespace videodiffcr {

std::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return "BOOL";
    case DType::kU8:
      return "U8";
    case DType::kI8:
      return "I8";
    case DType::kI16:
      return "I16";
    case DType::kI32:
      return "I32";
    case DType::kI64:
      return "I64";
    case DType::kF8E4M3:
      return "F8_E4M3";
    case DType::kF8E5M2:
      return "F8_E5M2";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kF32:
      return "F32";
    case DType::kF64:
      return "F64";
  }
  return "";
}

int64_t DTypeBytes(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
    case DType::kI8:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      return 1;
    case DType::kI16:
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kI32:
    case DType::kF32:
      return 4;
    case DType::kI64:
    case DType::kF64:
      return 8;
  }
  return 1;
}

int64_t TensorEntry::elements() const { return bytes / DTypeBytes(dtype); }

SafetensorsReader::SafetensorsReader(MappedFile file) : file_(std::move(file)) {}

absl::StatusOr<SafetensorsReader> SafetensorsReader::Open(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  SafetensorsReader reader(*std::move(file));
  const absl::Span<const uint8_t> bytes = reader.file_.bytes();
  absl::StatusOr<SafetensorsContents> contents =
      ParseSafetensors({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
  if (absl::Status whole = reader.CheckWhole(); !whole.ok()) return whole;
  if (!contents.ok()) return contents.status();
  reader.metadata_ = std::move(contents->metadata);
  reader.tensors_ = std::move(contents->tensors);
  return reader;
}

absl::StatusOr<TensorEntry> SafetensorsReader::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    return absl::NotFoundError(absl::StrCat(path(), ": tensor ", std::string(name), " is missing"));
  return found->second;
}

absl::StatusOr<TensorEntry> SafetensorsReader::Find(std::string_view name, const std::vector<int64_t>& shape) const {
  absl::StatusOr<TensorEntry> entry = Find(name);
  if (entry.ok() && entry->shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat(path(), ": tensor ", std::string(name), " has shape [",
                                                   absl::StrJoin(entry->shape, ","), "]; must be [",
                                                   absl::StrJoin(shape, ","), "]"));
  }
  return entry;
}

}  // namespace videodiffcr
