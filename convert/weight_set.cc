#include "convert/weight_set.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

std::string StripWrappers(absl::string_view name) {
  std::string stripped = absl::StrReplaceAll(
      name, {{"_fsdp_wrapped_module.", ""}, {"_checkpoint_wrapped_module.", ""}, {"_orig_mod.", ""}});
  constexpr absl::string_view kWrapperAttribute = "model.";
  if (stripped.starts_with("model.")) stripped.erase(0, kWrapperAttribute.size());
  return stripped;
}

absl::StatusOr<WeightSet> WeightSet::Open(const std::vector<std::string>& paths, const WeightFile::Selection& selection,
                                          bool strip_wrappers) {
  WeightSet set;
  for (const std::string& path : paths) {
    absl::StatusOr<WeightFile> file = WeightFile::Open(path, selection);
    if (!file.ok()) return file.status();
    for (const auto& [original, tensor] : file->tensors()) {
      const std::string name = strip_wrappers ? StripWrappers(original) : original;
      if (!set.tensors_.emplace(name, tensor).second) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": tensor '", absl::CHexEscape(original),
                                                       "' is a second '", absl::CHexEscape(name), "'"));
      }
      set.file_of_[name] = set.files_.size();
    }
    set.files_.push_back(*std::move(file));
  }
  return set;
}

std::string WeightSet::Paths() const {
  return absl::StrJoin(files_, ", ",
                       [](std::string* out, const WeightFile& file) { absl::StrAppend(out, file.path()); });
}

absl::Status WeightSet::CheckWhole(const std::string& name) const { return files_[file_of_.at(name)].CheckWhole(); }

absl::Status WeightSet::CheckData(const std::string& name) const {
  return files_[file_of_.at(name)].CheckData(tensors_.at(name));
}

}  // namespace videodiffcr
