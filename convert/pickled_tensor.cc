#include "convert/pickled_tensor.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// A tuple of at most kMaxTensorRank integers. The bound also keeps a pickle from having one long tuple copied into a
// million tensors.
std::optional<std::vector<int64_t>> Integers(absl::Span<const PickleValue> values, PickleIndex index) {
  const auto* tuple = std::get_if<PickleTuple>(&values[index]);
  if (tuple == nullptr || tuple->items.size() > kMaxTensorRank) return std::nullopt;
  std::vector<int64_t> integers;
  integers.reserve(tuple->items.size());
  for (const PickleIndex item : tuple->items) {
    const auto* integer = std::get_if<int64_t>(&values[item]);
    if (integer == nullptr) return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

// A call of one of the functions that rebuild a tensor from its storage.
struct RebuildCall {
  absl::string_view name;
  absl::Span<const PickleValue> values;
  absl::Span<const PickleIndex> items;  // its arguments
};

// A long map of flags may be recalled for tensor after tensor, and would take hours to look through.
bool HasTooManyFlags(absl::Span<const PickleValue> values, PickleIndex metadata) {
  const auto* flags = std::get_if<PickleDict>(&values[metadata]);
  return flags != nullptr && flags->items.size() > kMaxTensorFlags;
}

// The last argument of a call, {"conj": bool, "neg": bool}: numbers that are to be negated when they are read.
bool IsLazy(absl::Span<const PickleValue> values, PickleIndex metadata) {
  const auto* flags = std::get_if<PickleDict>(&values[metadata]);
  if (flags == nullptr) return false;
  return std::any_of(flags->items.begin(), flags->items.end(), [values](const auto& item) {
    const auto* flag = std::get_if<bool>(&values[item.second]);
    return flag != nullptr && *flag;
  });
}

// `plain`: how many arguments there are without the metadata. `type`: of the elements, null when it is the storage's.
absl::StatusOr<PickledTensor> Rebuild(const RebuildCall& call, size_t plain, const PickleElementType* type) {
  const absl::Span<const PickleIndex> items = call.items;
  if (items.size() != plain && items.size() != plain + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(call.name, " with ", items.size(), " arguments; it takes ", plain, " or ", plain + 1));
  }
  const auto* storage = std::get_if<PickledStorage>(&call.values[items[0]]);
  const auto* offset = std::get_if<int64_t>(&call.values[items[1]]);
  std::optional<std::vector<int64_t>> shape = Integers(call.values, items[2]);
  std::optional<std::vector<int64_t>> strides = Integers(call.values, items[3]);
  if (storage == nullptr || offset == nullptr || !shape.has_value() || !strides.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        call.name, " takes a storage, an offset, sizes and strides (tuples of at most ", kMaxTensorRank, " integers)"));
  }
  if (!storage->type.foreign.empty()) return PickledTensor{.foreign = storage->type.foreign};
  if (items.size() > plain && HasTooManyFlags(call.values, items[plain])) {
    return absl::InvalidArgumentError(absl::StrCat(call.name, ": metadata of more than ", kMaxTensorFlags, " flags"));
  }
  if (items.size() > plain && IsLazy(call.values, items[plain])) {
    return PickledTensor{.foreign = "is a lazy negation; save it again after resolve_neg()"};
  }
  PickledTensor tensor{.storage = *storage, .storage_offset = *offset};
  tensor.shape = *std::move(shape);
  tensor.strides = *std::move(strides);
  if (type == nullptr) return tensor;
  if (!type->foreign.empty()) return PickledTensor{.foreign = type->foreign};
  const int64_t element_bytes = DTypeBytes(type->dtype);
  if (storage->type.dtype != DType::kU8 || storage->elements % element_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(call.name, ": elements of ", element_bytes, " bytes in a storage that is not of so many bytes"));
  }
  tensor.storage.type = *type;
  tensor.storage.elements /= element_bytes;
  return tensor;
}

}  // namespace

absl::StatusOr<PickledStorage> StorageOfPersistentId(absl::Span<const PickleValue> values, PickleIndex id) {
  const auto* tuple = std::get_if<PickleTuple>(&values[id]);
  // Files from before PyTorch 1.6 have a sixth, which is None: what the storage is a part of.
  const bool old = tuple != nullptr && tuple->items.size() == 6;
  if (tuple == nullptr || (tuple->items.size() != 5 && !old)) {
    return absl::InvalidArgumentError("a persistent id that is not a tuple of five");
  }
  if (old && !std::holds_alternative<PickleNone>(values[tuple->items[5]])) {
    return absl::InvalidArgumentError("a storage that is a part of another, as PyTorch saved them before 0.4");
  }
  const auto* kind = std::get_if<absl::string_view>(&values[tuple->items[0]]);
  const auto* type = std::get_if<PickleStorageType>(&values[tuple->items[1]]);
  const auto* key = std::get_if<absl::string_view>(&values[tuple->items[2]]);
  const auto* elements = std::get_if<int64_t>(&values[tuple->items[4]]);
  if (kind == nullptr || *kind != "storage" || type == nullptr || key == nullptr || elements == nullptr) {
    return absl::InvalidArgumentError("a persistent id that is not ('storage', type, key, location, elements)");
  }
  if (key->size() > kMaxTensorNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a storage's key of ", key->size(), " bytes; at most ", kMaxTensorNameBytes, " are read"));
  }
  return PickledStorage{type->type, *key, *elements};
}

absl::StatusOr<PickledTensor> RebuildOldTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  return Rebuild({"_rebuild_tensor", values, arguments.items}, /*plain=*/4, nullptr);
}

absl::StatusOr<PickledTensor> RebuildTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  return Rebuild({"_rebuild_tensor_v2", values, arguments.items}, /*plain=*/6, nullptr);
}

absl::StatusOr<PickledTensor> RebuildTensorOfDType(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  const std::vector<PickleIndex>& items = arguments.items;
  const auto* type = items.size() > 6 ? std::get_if<PickleElementType>(&values[items[6]]) : nullptr;
  if (type == nullptr) {
    return absl::InvalidArgumentError("_rebuild_tensor_v3 takes the type of its elements as its seventh argument");
  }
  return Rebuild({"_rebuild_tensor_v3", values, items}, /*plain=*/7, type);
}

absl::StatusOr<PickledTensor> RebuildFromCpuTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  const std::vector<PickleIndex>& items = arguments.items;
  const auto* tensor = items.size() == 4 ? std::get_if<PickledTensor>(&values[items[0]]) : nullptr;
  const auto* type = items.size() == 4 ? std::get_if<PickleElementType>(&values[items[1]]) : nullptr;
  if (tensor == nullptr || type == nullptr) {
    return absl::InvalidArgumentError(
        "_rebuild_device_tensor_from_cpu_tensor takes a tensor, its type and two more arguments");
  }
  if (tensor->foreign.empty() && (!type->foreign.empty() || type->dtype != tensor->storage.type.dtype)) {
    return PickledTensor{.foreign = "is to change its type when it is loaded; save it again in PyTorch"};
  }
  return *tensor;
}

absl::StatusOr<PickledTensor> RebuildParameter(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  const auto* tensor = arguments.items.size() == 3 ? std::get_if<PickledTensor>(&values[arguments.items[0]]) : nullptr;
  if (tensor == nullptr) {
    return absl::InvalidArgumentError("_rebuild_parameter takes a tensor and two more arguments");
  }
  return *tensor;
}

absl::StatusOr<PickledTensor> RebuildParameterWithState(absl::Span<const PickleValue> values,
                                                        const PickleTuple& arguments) {
  const auto* tensor = arguments.items.size() == 4 ? std::get_if<PickledTensor>(&values[arguments.items[0]]) : nullptr;
  if (tensor == nullptr) {
    return absl::InvalidArgumentError("_rebuild_parameter_with_state takes a tensor and three more arguments");
  }
  return *tensor;
}

absl::StatusOr<PickledTensor> RebuildFromType(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  const std::vector<PickleIndex>& items = arguments.items;
  const bool complete = items.size() == 4 && std::holds_alternative<PickleTensorType>(values[items[1]]);
  const auto* function = complete ? std::get_if<PickleCallable>(&values[items[0]]) : nullptr;
  const auto* foreign = complete ? std::get_if<PickleForeignCallable>(&values[items[0]]) : nullptr;
  const auto* inner = complete ? std::get_if<PickleTuple>(&values[items[2]]) : nullptr;
  if (foreign != nullptr && inner != nullptr) return PickledTensor{.foreign = foreign->what};
  if (function != nullptr && inner != nullptr) {
    if (*function == PickleCallable::kRebuildTensor) return RebuildTensor(values, *inner);
    if (*function == PickleCallable::kRebuildTensorOfDType) return RebuildTensorOfDType(values, *inner);
    if (*function == PickleCallable::kRebuildParameter) return RebuildParameter(values, *inner);
    if (*function == PickleCallable::kRebuildParameterWithState) return RebuildParameterWithState(values, *inner);
  }
  return absl::InvalidArgumentError(
      "_rebuild_from_type_v2 takes a function that rebuilds a tensor, the type torch.Tensor or "
      "torch.nn.parameter.Parameter, the function's arguments and a state");
}

}  // namespace videodiffcr
