#include "convert/weight_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "convert/file_kind.h"
#include "convert/legacy_torch_file.h"
#include "convert/zip_entry.h"

namespace videodiffcr {
namespace {

constexpr uint8_t kZipMagic[] = {'P', 'K', 3, 4};

bool StartsWith(absl::Span<const uint8_t> bytes, absl::Span<const uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

}  // namespace

absl::StatusOr<WeightFile> WeightFile::Open(const std::string& path, const Selection& selection) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) {
    return file.status();
  }
  WeightFile weights;
  weights.path_ = path;
  weights.scratch_folder_ = selection.scratch_folder;
  absl::Status status;
  if (StartsWith(file->bytes(), kZipMagic)) {
    weights.file_ = *std::move(file);
    status = weights.OpenTorch(OpenZipArchive(weights.file_->bytes(), path), selection);
  } else if (BeginsAsLegacyTorchFile(file->bytes())) {
    weights.file_ = *std::move(file);
    status = weights.OpenTorch(OpenLegacyTorchFile(weights.file_->bytes(), path), selection);
  } else {
    const std::string kind = ForeignFileKind(file->bytes());
    status = kind.empty() ? weights.OpenSafetensors() : absl::InvalidArgumentError(absl::StrCat(path, ": ", kind));
  }
  if (!status.ok()) {
    return status;
  }
  return weights;
}

absl::Status WeightFile::OpenTorch(absl::StatusOr<ZipArchive> archive, const Selection& selection) {
  if (!archive.ok()) {
    return archive.status();
  }
  archive_ = *std::move(archive);
  if (archive_.without_checksums) {
    notes_.push_back(absl::StrCat(
        path_,
        ": has no checksums, so damage in it is not seen; compare the file's own checksum with its publisher's"));
  }
  absl::StatusOr<SourceTensors> tensors =
      ReadTorchArchive(archive_, selection.entries, selection.entry_required, &notes_);
  if (!tensors.ok()) {
    return tensors.status();
  }
  tensors_ = *std::move(tensors);
  return absl::OkStatus();
}

absl::Status WeightFile::OpenSafetensors() {
  absl::StatusOr<SafetensorsReader> reader = SafetensorsReader::Open(path_);
  if (!reader.ok()) {
    return absl::Status(reader.status().code(), absl::StrCat(reader.status().message(),
                                                             " (read as safetensors: it is not a zip of torch.save)"));
  }
  safetensors_ = *std::move(reader);
  metadata_ = safetensors_->metadata();
  for (const auto& [name, entry] : safetensors_->tensors()) {
    tensors_.emplace(name, SourceTensor{.dtype = entry.dtype,
                                        .shape = entry.shape,
                                        .bytes = {entry.data, static_cast<size_t>(entry.bytes)},
                                        .original = name});
  }
  return absl::OkStatus();
}

// Of the whole file: the kernel maps more than the tensor's pages when one of them is read, and many small tensors
// would leave their neighbours' behind.
absl::Status WeightFile::FinishReading() const {
  if (unpacked_.has_value()) ReleaseMappedPages(unpacked_->bytes());
  if (file_.has_value()) {
    ReleaseMappedPages(file_->bytes());
    return file_->CheckWhole();
  }
  safetensors_->ReleasePages();
  return safetensors_->CheckWhole();
}

absl::StatusOr<SourceTensor> WeightFile::Load(const SourceTensor& tensor) {
  if (!tensor.packed || tensor.byte_count == 0) return tensor;
  if (unpacked_entry_ != tensor.zip_entry || !unpacked_.has_value()) {
    unpacked_.reset();
    absl::StatusOr<MappedFile> unpacked =
        UnpackZipEntry(archive_, tensor.zip_entry, scratch_folder_, ReleaseMappedPages);
    if (!unpacked.ok()) return unpacked.status();
    unpacked_ = *std::move(unpacked);
    unpacked_entry_ = std::string(tensor.zip_entry);
  }
  SourceTensor loaded = tensor;
  loaded.bytes = unpacked_->bytes().subspan(tensor.first_byte, tensor.byte_count);
  return loaded;
}

absl::Status WeightFile::CheckData(const SourceTensor& tensor) {
  if (tensor.zip_entry.empty() || checked_.contains(tensor.zip_entry)) return absl::OkStatus();
  absl::Status status = CheckZipEntry(archive_, tensor.zip_entry, ReleaseMappedPages);
  if (status.ok()) checked_.insert(tensor.zip_entry);
  return status;
}

}  // namespace videodiffcr
