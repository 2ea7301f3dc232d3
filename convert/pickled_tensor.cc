#include "convert/pickled_tensor.h"

#include <optional>
#include <utility>
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
  for (const PickleIndex item : tuple->items) {
    const auto* integer = std::get_if<int64_t>(&values[item]);
    if (integer == nullptr) return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

}  // namespace

absl::StatusOr<PickledStorage> StorageOfPersistentId(absl::Span<const PickleValue> values, PickleIndex id) {
  const auto* tuple = std::get_if<PickleTuple>(&values[id]);
  if (tuple == nullptr || tuple->items.size() != 5) {
    return absl::InvalidArgumentError("a persistent id that is not a tuple of five");
  }
  const auto* kind = std::get_if<absl::string_view>(&values[tuple->items[0]]);
  const auto* type = std::get_if<PickleStorageType>(&values[tuple->items[1]]);
  const auto* key = std::get_if<absl::string_view>(&values[tuple->items[2]]);
  const auto* elements = std::get_if<int64_t>(&values[tuple->items[4]]);
  if (kind == nullptr || *kind != "storage" || type == nullptr || key == nullptr || elements == nullptr) {
    return absl::InvalidArgumentError("a persistent id that is not ('storage', type, key, location, elements)");
  }
  return PickledStorage{type->dtype, *key, *elements};
}

absl::StatusOr<PickledTensor> RebuildTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments) {
  const std::vector<PickleIndex>& items = arguments.items;
  if (items.size() != 6 && items.size() != 7) {
    return absl::InvalidArgumentError(
        absl::StrCat("_rebuild_tensor_v2 with ", items.size(), " arguments; it takes 6 or 7"));
  }
  const auto* storage = std::get_if<PickledStorage>(&values[items[0]]);
  const auto* offset = std::get_if<int64_t>(&values[items[1]]);
  std::optional<std::vector<int64_t>> shape = Integers(values, items[2]);
  std::optional<std::vector<int64_t>> strides = Integers(values, items[3]);
  if (storage == nullptr || offset == nullptr || !shape.has_value() || !strides.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("_rebuild_tensor_v2 takes a storage, an offset, sizes and strides (tuples of at most ",
                     kMaxTensorRank, " integers)"));
  }
  return PickledTensor{*storage, *offset, *std::move(shape), *std::move(strides)};
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
  const auto* inner = complete ? std::get_if<PickleTuple>(&values[items[2]]) : nullptr;
  if (function != nullptr && inner != nullptr) {
    if (*function == PickleCallable::kRebuildTensor) return RebuildTensor(values, *inner);
    if (*function == PickleCallable::kRebuildParameter) return RebuildParameter(values, *inner);
    if (*function == PickleCallable::kRebuildParameterWithState) return RebuildParameterWithState(values, *inner);
  }
  return absl::InvalidArgumentError(
      "_rebuild_from_type_v2 takes a function that rebuilds a tensor, the type torch.Tensor or "
      "torch.nn.parameter.Parameter, the function's arguments and a state");
}

}  // namespace videodiffcr
