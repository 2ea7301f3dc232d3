#include "model/weights/safetensors_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

// A file that another process shortens while it is mapped ends this process (SIGBUS): model folders are not written in
// place, WriteSafetensors() renames.
class SafetensorsReader::Mapping {
 public:
  static absl::StatusOr<std::unique_ptr<Mapping>> Create(const std::string& path) {
    const auto system_error = [&](const char* what) {
      const int code = errno;
      return absl::Status(code == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
                          absl::StrCat(path, ": ", what, ": ", strerror(code)));
    };
    // Non-blocking: a pipe under that name must not hold the process.
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return system_error("cannot be opened");
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
      close(file);
      return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
    }
    const size_t bytes = static_cast<size_t>(about.st_size);
    void* address = bytes == 0 ? nullptr : mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (address == MAP_FAILED) {
      const absl::Status status = system_error("cannot be mapped");
      close(file);
      return status;
    }
    close(file);
    return std::unique_ptr<Mapping>(new Mapping(address, bytes));
  }
  ~Mapping() {
    if (address_ != nullptr) munmap(address_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string_view bytes() const { return {static_cast<const char*>(address_), bytes_}; }

 private:
  Mapping(void* address, size_t bytes) : address_(address), bytes_(bytes) {}

  void* const address_;
  const size_t bytes_;
};

SafetensorsReader::SafetensorsReader() = default;
SafetensorsReader::SafetensorsReader(SafetensorsReader&&) noexcept = default;
SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&&) noexcept = default;
SafetensorsReader::~SafetensorsReader() = default;

absl::StatusOr<SafetensorsReader> SafetensorsReader::Open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Mapping>> mapping = Mapping::Create(path);
  if (!mapping.ok()) return mapping.status();
  absl::StatusOr<SafetensorsContents> contents = ParseSafetensors((*mapping)->bytes(), path);
  if (!contents.ok()) return contents.status();
  SafetensorsReader reader;
  reader.path_ = path;
  reader.mapping_ = *std::move(mapping);
  reader.metadata_ = std::move(contents->metadata);
  reader.tensors_ = std::move(contents->tensors);
  return reader;
}

absl::StatusOr<TensorEntry> SafetensorsReader::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    return absl::NotFoundError(absl::StrCat(path_, ": tensor ", std::string(name), " is missing"));
  return found->second;
}

absl::StatusOr<TensorEntry> SafetensorsReader::Find(std::string_view name, const std::vector<int64_t>& shape) const {
  absl::StatusOr<TensorEntry> entry = Find(name);
  if (entry.ok() && entry->shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", std::string(name), " has shape [",
                                                   absl::StrJoin(entry->shape, ","), "]; must be [",
                                                   absl::StrJoin(shape, ","), "]"));
  }
  return entry;
}

}  // namespace videodiffcr
