// Low-rank changes of a transformer, merged into its weights: W + scale * alpha / rank * up down.
#ifndef VIDEODIFFCR_CONVERT_LORA_H_
#define VIDEODIFFCR_CONVERT_LORA_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "convert/expected_tensors.h"
#include "convert/tensor_values.h"
#include "convert/weight_set.h"

namespace videodiffcr {

struct LoraFile {
  std::string path;  // a file, or a folder of PEFT with its adapter_config.json
  double scale = 1.0;
};

class LoraSet {
 public:
  // Opens every file and finds what each of its keys changes. InvalidArgument names the file and the keys that are of
  // no tensor in `transformer`, that lack their other half, or whose shapes do not fit.
  static absl::StatusOr<LoraSet> Open(const std::vector<LoraFile>& files,
                                      const std::vector<ExpectedTensor>& transformer,
                                      const std::string& scratch_folder);

  bool Changes(const std::string& tensor) const { return changes_.contains(tensor); }
  std::vector<std::string> Notes() const;

  // What to add to `tensor`, which Changes(). Its factors are held in memory, as fp32, as long as the result lives; the
  // sum is taken in fp64 and rounded once. DataLoss names the file when it is damaged.
  absl::StatusOr<ValueChange> ChangeOf(const std::string& tensor);

 private:
  // Of one file, for one tensor: names in its WeightSet.
  struct Change {
    size_t file = 0;
    std::string down, up, whole, alpha;
  };

  absl::Status Add(const LoraFile& file, const std::string& scratch_folder,
                   const std::vector<ExpectedTensor>& transformer);
  absl::Status CheckChange(const std::string& tensor, const std::vector<int64_t>& shape, const Change& change) const;
  absl::StatusOr<std::vector<float>> ReadAll(size_t file, const std::string& name);
  absl::StatusOr<double> FactorOf(const Change& change);

  struct Source {
    LoraFile file;
    WeightSet weights;
    // Of the adapter's own config.
    std::optional<double> alpha;
    bool root_of_rank = false;  // divided by the root of the rank (rsLoRA)
  };
  std::vector<Source> sources_;
  std::map<std::string, std::vector<Change>> changes_;  // by our name
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_LORA_H_
