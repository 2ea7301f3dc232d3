// The tensors of one network, out of one file or several shards, under the names that our networks use.
#ifndef VIDEODIFFCR_CONVERT_WEIGHT_SET_H_
#define VIDEODIFFCR_CONVERT_WEIGHT_SET_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "convert/expected_tensors.h"
#include "convert/tensor_names.h"
#include "convert/weight_file.h"

namespace videodiffcr {

class WeightSet {
 public:
  // Opens every file, strips the wrappers off names (tensor_names.h) and joins fp8 scales to their weights.
  // InvalidArgument when two tensors end up under one name; the message has both.
  static absl::StatusOr<WeightSet> Open(const std::vector<std::string>& paths, const WeightFile::Selection& selection);

  const SourceTensors& tensors() const { return tensors_; }
  // The file paths, for messages.
  std::string Paths() const;
  // What the user should know of the files although they are read.
  std::vector<std::string> Notes() const;
  // What safetensors files say of themselves.
  std::map<std::string, std::string> Metadata() const;

  // From here on tensors() has our names (RenameTensors()).
  void Rename(const NameLayout& layout, const std::vector<ExpectedTensor>& expected);

  // WeightFile::Load(), CheckData() and FinishReading() of the file that the tensor comes from. `name` must be in
  // tensors().
  absl::StatusOr<SourceTensor> Load(const std::string& name);
  absl::Status CheckData(const std::string& name);
  absl::Status FinishReading(const std::string& name) const;

 private:
  WeightSet() = default;
  absl::Status Add(WeightFile file);

  std::vector<WeightFile> files_;
  SourceTensors tensors_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_WEIGHT_SET_H_
