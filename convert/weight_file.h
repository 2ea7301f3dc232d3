// One file of weights as it was released, whatever its format: tensors by name, lying in the mapped file.
#ifndef VIDEODIFFCR_CONVERT_WEIGHT_FILE_H_
#define VIDEODIFFCR_CONVERT_WEIGHT_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/zip_archive.h"
#include "model/weights/safetensors_reader.h"
#include "system/mapped_file.h"

namespace videodiffcr {

// Row-major and contiguous.
struct SourceTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;
  std::string zip_entry;  // of its storage; empty for safetensors
};

using SourceTensors = std::map<std::string, SourceTensor, std::less<>>;

// The tensors of a torch.save archive. The archive's dict of tensors is the first of `entries` that its top level has,
// or the top level itself when it has none of them and `entry_required` is false. Everything that the archive claims is
// checked: storages against their zip entries, sizes, strides and offsets against their storages. InvalidArgument
// naming file and tensor.
absl::StatusOr<SourceTensors> ReadTorchArchive(const ZipArchive& archive, const std::vector<std::string>& entries,
                                               bool entry_required);

class WeightFile {
 public:
  // Which dict of a torch.save file to read; ignored for safetensors.
  struct Selection {
    std::vector<std::string> entries;
    bool entry_required = false;
  };

  // Recognises safetensors and the zip format of torch.save by content. Checks everything but the tensors' values and
  // checksums.
  static absl::StatusOr<WeightFile> Open(const std::string& path, const Selection& selection);

  const std::string& path() const { return path_; }
  const SourceTensors& tensors() const { return tensors_; }

  // Reads the tensor's storage and compares its checksum; a format without checksums passes. DataLoss names file and
  // entry.
  absl::Status CheckData(const SourceTensor& tensor) const;
  // DataLoss when the file became shorter since: ask when a tensor has been read.
  absl::Status CheckWhole() const;

 private:
  WeightFile() = default;
  absl::Status OpenTorch(const Selection& selection);
  absl::Status OpenSafetensors();

  std::string path_;
  std::optional<MappedFile> file_;                // torch.save
  ZipArchive archive_;                            // torch.save
  std::optional<SafetensorsReader> safetensors_;  // safetensors
  SourceTensors tensors_;                         // into one of the two mappings
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_WEIGHT_FILE_H_
