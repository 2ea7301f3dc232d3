// Which of a pickle's dicts holds the tensors.
#ifndef VIDEODIFFCR_CONVERT_TENSOR_MAP_H_
#define VIDEODIFFCR_CONVERT_TENSOR_MAP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "convert/pickle_value.h"

namespace videodiffcr {

struct TensorMapChoice {
  std::string path;                  // for messages
  std::vector<std::string> entries;  // names, the best first
  bool required = false;             // no other dict will do, the top level included
};

// The first dict under one of the names that is not empty, at the top level or inside such a dict; the top level when
// it has none of them. What is empty beside a dict that was taken is told in `notes` (may be null). InvalidArgument or
// NotFound says what the top level has and how to choose.
absl::StatusOr<const PickleDict*> SelectTensorMap(const PickleDocument& document, const TensorMapChoice& choice,
                                                  std::vector<std::string>* notes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_TENSOR_MAP_H_
