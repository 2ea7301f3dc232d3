// One file of weights as it was released, whatever its format: tensors by name, lying in the mapped file.
#ifndef VIDEODIFFCR_CONVERT_WEIGHT_FILE_H_
#define VIDEODIFFCR_CONVERT_WEIGHT_FILE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "convert/zip_archive.h"
#include "model/weights/safetensors_reader.h"
#include "system/mapped_file.h"

namespace videodiffcr {

struct SourceTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;  // from its first element to its last; of a packed tensor only once it was unpacked
  absl::string_view zip_entry;      // of its storage, the archive's own text; empty for safetensors
  std::string original;             // its name as it stands in the file
  std::vector<int64_t> strides;     // elements, one per axis, all positive; empty: row-major and contiguous
  // The same place, inside the storage of a torch.save file.
  int64_t first_byte = 0;
  int64_t byte_count = 0;
  bool packed = false;        // its storage is deflated
  std::vector<float> scales;  // values are these times what is stored: one, or one per row; empty: none
  size_t file = 0;            // of a WeightSet

  int64_t elements() const {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    return count;
  }
};

using SourceTensors = std::map<std::string, SourceTensor, std::less<>>;

// The tensors of a torch.save archive. The archive's dict of tensors is the first of `entries` that its top level has,
// or the top level itself when it has none of them and `entry_required` is false (tensor_map.h). Everything that the
// archive claims is checked: storages against their zip entries, sizes, strides and offsets against their storages. At
// most kMaxTensors, with names of at most kMaxTensorNameBytes. What comes back points into `archive`. InvalidArgument
// naming file and tensor. What the user should know goes into `notes`, which may be null.
absl::StatusOr<SourceTensors> ReadTorchArchive(const ZipArchive& archive, const std::vector<std::string>& entries,
                                               bool entry_required, std::vector<std::string>* notes = nullptr);

class WeightFile {
 public:
  // Which dict of a torch.save file to read; ignored for safetensors.
  struct Selection {
    std::vector<std::string> entries;
    bool entry_required = false;
    std::string scratch_folder;  // where deflated tensors are unpacked; empty: the working folder
  };

  // Recognises safetensors and both formats of torch.save by content, and says what a file is that is neither. Checks
  // everything but the tensors' values and checksums.
  static absl::StatusOr<WeightFile> Open(const std::string& path, const Selection& selection);

  const std::string& path() const { return path_; }
  const SourceTensors& tensors() const { return tensors_; }

  // What the user should know of the file although it is read.
  const std::vector<std::string>& notes() const { return notes_; }

  // What a safetensors file says of itself.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // Reads the tensor's storage and compares its checksum, once for all tensors that lie in it; a format without
  // checksums passes. DataLoss names file and entry.
  absl::Status CheckData(const SourceTensor& tensor);
  // The tensor with its bytes, unpacked if need be: they last until another tensor is asked for.
  absl::StatusOr<SourceTensor> Load(const SourceTensor& tensor);
  // When a tensor has been read: lets go of the memory that its pages took. DataLoss when the file became shorter since
  // it was opened, so that what was read is not its content.
  absl::Status FinishReading() const;

 private:
  WeightFile() = default;
  absl::Status OpenTorch(absl::StatusOr<ZipArchive> archive, const Selection& selection);
  absl::Status OpenSafetensors();

  std::string path_;
  std::optional<MappedFile> file_;                // torch.save
  ZipArchive archive_;                            // torch.save
  std::optional<SafetensorsReader> safetensors_;  // safetensors
  SourceTensors tensors_;                         // into one of the two mappings
  std::vector<std::string> notes_;
  std::map<std::string, std::string> metadata_;
  std::string scratch_folder_;
  std::optional<MappedFile> unpacked_;   // the storage that was unpacked last
  std::string unpacked_entry_;           // its name
  std::set<absl::string_view> checked_;  // entries whose checksum was right
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_WEIGHT_FILE_H_
