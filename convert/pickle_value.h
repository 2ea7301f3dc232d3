// What a pickle holds once it is read: plain values, tensors and the storages they lie in.
#ifndef VIDEODIFFCR_CONVERT_PICKLE_VALUE_H_
#define VIDEODIFFCR_CONVERT_PICKLE_VALUE_H_

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

// Values refer to one another by index into PickleDocument::values and never own one another: a value that contains
// itself, or a million nested lists, costs no more than its opcodes, and nothing here recurses.
using PickleIndex = int32_t;

struct PickleNone {};
struct PickleTuple {
  std::vector<PickleIndex> items;
};
struct PickleList {
  std::vector<PickleIndex> items;
};
struct PickleDict {  // also collections.OrderedDict
  std::vector<std::pair<PickleIndex, PickleIndex>> items;
};

enum class PickleCallable {
  kOrderedDict,
  kRebuildTensor,
  kRebuildParameter,
  kRebuildParameterWithState,
  kRebuildFromType,
};
struct PickleTensorType {};  // torch.Tensor or torch.nn.parameter.Parameter, as an argument
struct PickleStorageType {
  DType dtype = DType::kF32;
};

// A storage is one zip entry, "data/<key>".
struct PickledStorage {
  DType dtype = DType::kF32;
  absl::string_view key;
  int64_t elements = 0;  // as the pickle claims
};

// As the pickle claims, nothing checked: sizes may be negative, offsets beyond the storage.
struct PickledTensor {
  PickledStorage storage;
  int64_t storage_offset = 0;  // elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // elements
};

using PickleValue =
    std::variant<PickleNone, bool, int64_t, double, absl::string_view, PickleTuple, PickleList, PickleDict,
                 PickleCallable, PickleTensorType, PickleStorageType, PickledStorage, PickledTensor>;

struct PickleDocument {
  std::vector<PickleValue> values;
  PickleIndex root = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_VALUE_H_
