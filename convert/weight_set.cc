#include "convert/weight_set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "convert/fp8_scales.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {

absl::StatusOr<WeightSet> WeightSet::Open(const std::vector<std::string>& paths,
                                          const WeightFile::Selection& selection) {
  WeightSet set;
  for (const std::string& path : paths) {
    absl::StatusOr<WeightFile> file = WeightFile::Open(path, selection);
    if (!file.ok()) return file.status();
    if (absl::Status status = set.Add(*std::move(file)); !status.ok()) return status;
  }
  const absl::Status status =
      JoinFp8Scales(&set.tensors_, [&set](const std::string& name) -> absl::StatusOr<SourceTensor> {
        if (absl::Status status = set.CheckData(name); !status.ok()) return status;
        return set.Load(name);
      });
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(set.Paths(), ": ", status.message()));
  return set;
}

absl::Status WeightSet::Add(WeightFile file) {
  for (const auto& [original, tensor] : file.tensors()) {
    const std::string name = StripWrappers(original);
    const auto [place, is_new] = tensors_.emplace(name, tensor);
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.path(), ": tensor '", ShownName(original), "' is a second '", ShownName(name), "'"));
    }
    place->second.file = files_.size();
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

void WeightSet::Rename(const NameLayout& layout, const std::vector<ExpectedTensor>& expected) {
  tensors_ = RenameTensors(layout, expected, tensors_);
}

std::string WeightSet::Paths() const {
  return absl::StrJoin(files_, ", ",
                       [](std::string* out, const WeightFile& file) { absl::StrAppend(out, file.path()); });
}

std::vector<std::string> WeightSet::Notes() const {
  std::vector<std::string> notes;
  for (const WeightFile& file : files_) notes.insert(notes.end(), file.notes().begin(), file.notes().end());
  return notes;
}

std::map<std::string, std::string> WeightSet::Metadata() const {
  std::map<std::string, std::string> metadata;
  for (const WeightFile& file : files_) metadata.insert(file.metadata().begin(), file.metadata().end());
  return metadata;
}

absl::StatusOr<SourceTensor> WeightSet::Load(const std::string& name) {
  const SourceTensor& tensor = tensors_.at(name);
  return files_[tensor.file].Load(tensor);
}

absl::Status WeightSet::FinishReading(const std::string& name) const {
  return files_[tensors_.at(name).file].FinishReading();
}

absl::Status WeightSet::CheckData(const std::string& name) {
  const SourceTensor& tensor = tensors_.at(name);
  return files_[tensor.file].CheckData(tensor);
}

}  // namespace videodiffcr
