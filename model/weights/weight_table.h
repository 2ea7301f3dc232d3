// A checkpoint's names against our fields, one row per tensor; loading walks the table.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_WEIGHT_TABLE_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_WEIGHT_TABLE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

struct WeightOptions {
  at::ScalarType dtype = at::kFloat;  // what the weights become; floating
  at::Device device = at::kCPU;
  std::string prefix;  // in front of every name of the file, for example "weights."
  // Names with the prefix that are none of the table's business because another table owns them, by what they contain.
  std::vector<std::string> other_owners;
};

struct WeightRow {
  std::string name;  // in the checkpoint, without the prefix
  std::vector<int64_t> shape;
  at::Tensor* destination = nullptr;
};

// Fills every row's tensor. Before any memory is taken all rows are checked: a tensor that is missing, one under the
// prefix that no row names, a shape that differs or a type that is not floating is an error that names file and tensor.
// So is a tensor that holds NaN or an infinity once it has the options' type, and a file that became shorter meanwhile.
// An E4M3 tensor is multiplied by its companion "<name>.scale" where the file has one.
absl::Status LoadWeightTable(const SafetensorsReader& reader, const std::vector<WeightRow>& rows,
                             const WeightOptions& options);

// One tensor as it stands in the file, copied into memory of its own.
at::Tensor CopyToTensor(const TensorEntry& entry);

// A contiguous CPU tensor as an entry to write; the tensor must outlive it. InvalidArgument when safetensors has no
// such type.
absl::StatusOr<TensorEntry> TensorEntryOf(const at::Tensor& tensor);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_WEIGHT_TABLE_H_
