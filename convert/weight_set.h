// The tensors of one network, out of one file or several shards, under the names that our networks use.
#ifndef VIDEODIFFCR_CONVERT_WEIGHT_SET_H_
#define VIDEODIFFCR_CONVERT_WEIGHT_SET_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "convert/weight_file.h"

namespace videodiffcr {

// Removes what training wrappers put into names: "_fsdp_wrapped_module.", "_checkpoint_wrapped_module." and
// "_orig_mod." anywhere, then a leading "model." (causal_wan_dit.md section 10).
std::string StripWrappers(absl::string_view name);

class WeightSet {
 public:
  // Opens every file. InvalidArgument when two tensors end up under one name; the message has both.
  static absl::StatusOr<WeightSet> Open(const std::vector<std::string>& paths, const WeightFile::Selection& selection,
                                        bool strip_wrappers);

  const SourceTensors& tensors() const { return tensors_; }
  // The file paths, for messages.
  std::string Paths() const;

  // WeightFile::CheckData() and CheckWhole() of the file that the tensor comes from. `name` must be in tensors().
  absl::Status CheckData(const std::string& name) const;
  absl::Status CheckWhole(const std::string& name) const;

 private:
  WeightSet() = default;

  std::vector<WeightFile> files_;
  SourceTensors tensors_;
  std::map<std::string, size_t> file_of_;  // name to index in files_
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_WEIGHT_SET_H_
