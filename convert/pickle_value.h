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

// A value that says nothing about tensors and is not looked at: a device, a set, bytes, an integer beyond 64 bits.
struct PickleUnusedValue {};

enum class PickleCallable {
  kOrderedDict,
  kSize,
  kUnusedValue,  // makes a PickleUnusedValue
  kRebuildOldTensor,
  kRebuildTensor,
  kRebuildTensorOfDType,
  kRebuildParameter,
  kRebuildParameterWithState,
  kRebuildFromCpuTensor,
  kRebuildFromType,
};
// Makes a tensor that is not read: PickledTensor::foreign.
struct PickleForeignCallable {
  absl::string_view what;
};
struct PickleTensorType {};  // torch.Tensor or torch.nn.parameter.Parameter, as an argument

// The type of a storage's elements, or of a tensor's ("torch.bfloat16").
struct PickleElementType {
  DType dtype = DType::kF32;
  absl::string_view foreign;  // not empty: the type is another one, which is not read
};
struct PickleStorageType {
  PickleElementType type;
};

// A storage is one zip entry, "data/<key>".
struct PickledStorage {
  PickleElementType type;
  absl::string_view key;
  int64_t elements = 0;  // as the pickle claims
};

// As the pickle claims, nothing checked: sizes may be negative, offsets beyond the storage.
struct PickledTensor {
  // Not empty: what it is instead of a plain tensor, and what to do. Nothing else of it is known. Such a tensor may lie
  // beside the weights, not among them.
  absl::string_view foreign;
  PickledStorage storage;
  int64_t storage_offset = 0;  // elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // elements
};

using PickleValue = std::variant<PickleNone, bool, int64_t, double, absl::string_view, PickleTuple, PickleList,
                                 PickleDict, PickleUnusedValue, PickleCallable, PickleForeignCallable, PickleTensorType,
                                 PickleElementType, PickleStorageType, PickledStorage, PickledTensor>;

struct PickleDocument {
  std::vector<PickleValue> values;
  PickleIndex root = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_VALUE_H_
