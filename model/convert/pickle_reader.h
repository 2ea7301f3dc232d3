// Reads the pickle inside a torch.save file without executing anything.
//
// A pickle is a program for a stack machine; Python's machine can call any function. This one knows only what
// torch.save writes for maps of tensors (protocol 2): plain values, tuples, lists, dicts, references to tensor
// storages, and three callables (collections.OrderedDict, torch._utils._rebuild_tensor_v2,
// torch._utils._rebuild_parameter), which it does not call but understands. Every other opcode or global is an error
// with its name and byte offset.
#ifndef VIDEODIFFCR_MODEL_CONVERT_PICKLE_READER_H_
#define VIDEODIFFCR_MODEL_CONVERT_PICKLE_READER_H_

#include <cstdint>

#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
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

enum class PickleCallable { kOrderedDict, kRebuildTensor, kRebuildParameter };
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

using PickleValue = std::variant<PickleNone, bool, int64_t, double, absl::string_view, PickleTuple, PickleList,
                                 PickleDict, PickleCallable, PickleStorageType, PickledStorage, PickledTensor>;

struct PickleDocument {
  std::vector<PickleValue> values;
  PickleIndex root = 0;
};

inline constexpr size_t kMaxPickleBytes = 16 << 20;    // the pickle of the 14B model has 0.3 MiB
inline constexpr size_t kMaxPickleValues = 1'000'000;  // bounds the memory of a hostile pickle to about 150 MB
inline constexpr size_t kMaxTensorRank = 16;

// Strings of the result point into `pickle`, which must outlive it. InvalidArgument with the byte offset.
absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const uint8_t> pickle);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONVERT_PICKLE_READER_H_
