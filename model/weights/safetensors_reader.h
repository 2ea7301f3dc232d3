// Reads a safetensors file by mapping it. Every input is hostile: the header is checked in full before a tensor is
// handed out.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_READER_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "system/mapped_file.h"

namespace videodiffcr {

enum class DType { kBool, kU8, kI8, kI16, kI32, kI64, kF8E4M3, kF8E5M2, kF16, kBF16, kF32, kF64 };

std::string_view DTypeName(DType dtype);  // as in safetensors: "F32", "BF16", ...
int64_t DTypeBytes(DType dtype);

// Of one file, whatever its format. Released ones have below two thousand tensors with names of below 100 bytes.
inline constexpr size_t kMaxTensors = size_t{1} << 16;
inline constexpr size_t kMaxTensorNameBytes = 1024;

struct TensorEntry {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;  // into the mapping, valid as long as the reader; aligned to 1 byte only
  int64_t bytes = 0;

  int64_t elements() const;
};

// Thread-safe after Open(): const and immutable.
class SafetensorsReader {
 public:
  // Maps the file and checks: header length (at most 16 MiB and inside the file), JSON, at most 65,536 tensors and as
  // many keys of metadata, names of at most 1 KiB, known types, shapes whose
  // product fits, offsets inside the file, in order of data without holes or overlaps, bytes equal to shape times type.
  // Errors name the file and the tensor.
  static absl::StatusOr<SafetensorsReader> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, TensorEntry, std::less<>>& tensors() const { return tensors_; }

  // NotFound names file and tensor.
  absl::StatusOr<TensorEntry> Find(std::string_view name) const;
  // Also InvalidArgument when the shape differs, stating both.
  absl::StatusOr<TensorEntry> Find(std::string_view name, const std::vector<int64_t>& shape) const;

  // DataLoss when the file became shorter than its header says after it was opened: then what was read of it is not its
  // content. Ask when the tensors are copied.
  absl::Status CheckWhole() const { return file_.CheckWhole(); }
  // ReleaseMappedPages() of the whole file.
  void ReleasePages() const { ReleaseMappedPages(file_.bytes()); }

 private:
  explicit SafetensorsReader(MappedFile file);

  MappedFile file_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, TensorEntry, std::less<>> tensors_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_READER_H_
