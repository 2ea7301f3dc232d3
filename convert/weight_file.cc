#include "convert/weight_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr uint8_t kZipMagic[] = {'P', 'K', 3, 4};
// torch.save before PyTorch 1.6: a pickle of the number 0x1950a86a20f9469cfc6c.
constexpr uint8_t kLegacyTorchMagic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                         0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

bool StartsWith(absl::Span<const uint8_t> bytes, absl::Span<const uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

}  // namespace

absl::StatusOr<WeightFile> WeightFile::Open(const std::string& path, const Selection& selection) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) {
    return file.status();
  }
  if (StartsWith(file->bytes(), kLegacyTorchMagic)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": torch.save's format from before PyTorch 1.6; load it in PyTorch and save it again"));
  }
  WeightFile weights;
  weights.path_ = path;
  absl::Status status;
  if (StartsWith(file->bytes(), kZipMagic)) {
    weights.file_ = *std::move(file);
    status = weights.OpenTorch(selection);
  } else {
    status = weights.OpenSafetensors();
  }
  if (!status.ok()) {
    return status;
  }
  return weights;
}

absl::Status WeightFile::OpenTorch(const Selection& selection) {
  absl::StatusOr<ZipArchive> archive = OpenZipArchive(file_->bytes(), path_);
  if (!archive.ok()) {
    return archive.status();
  }
  archive_ = *std::move(archive);
  absl::StatusOr<SourceTensors> tensors = ReadTorchArchive(archive_, selection.entries, selection.entry_required);
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
  for (const auto& [name, entry] : safetensors_->tensors()) {
    tensors_.emplace(
        name, SourceTensor{
                  .dtype = entry.dtype, .shape = entry.shape, .bytes = {entry.data, static_cast<size_t>(entry.bytes)}});
  }
  return absl::OkStatus();
}

absl::Status WeightFile::CheckWhole() const {
  return file_.has_value() ? file_->CheckWhole() : safetensors_->CheckWhole();
}

absl::Status WeightFile::CheckData(const SourceTensor& tensor) const {
  return tensor.zip_entry.empty() ? absl::OkStatus() : CheckZipEntry(archive_, tensor.zip_entry);
}

}  // namespace videodiffcr
