// What torch.save's storages and tensors say of themselves, read from the tuples that a pickle describes them with.
// Errors are InvalidArgument and do not say where in the pickle.
#ifndef VIDEODIFFCR_CONVERT_PICKLED_TENSOR_H_
#define VIDEODIFFCR_CONVERT_PICKLED_TENSOR_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/pickle_value.h"

namespace videodiffcr {

inline constexpr size_t kMaxTensorRank = 16;
inline constexpr size_t kMaxTensorFlags = 16;  // PyTorch has two: conj and neg

// `values` are those of the document, which indices point into.

// The persistent id ('storage', type, key, location, elements[, None]), the one kind that torch.save writes.
absl::StatusOr<PickledStorage> StorageOfPersistentId(absl::Span<const PickleValue> values, PickleIndex id);

// What torch._utils._rebuild_tensor, of PyTorch before 0.4, makes of (storage, offset, size, stride).
absl::StatusOr<PickledTensor> RebuildOldTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments);

// What torch._utils._rebuild_tensor_v2 makes of
//   (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
absl::StatusOr<PickledTensor> RebuildTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments);

// What torch._utils._rebuild_tensor_v3 makes of
//   (storage, offset, size, stride, requires_grad, backward_hooks, dtype[, metadata])
// A tensor of a type that has no storage class of its own, as the 8-bit ones. Its storage is one of bytes.
absl::StatusOr<PickledTensor> RebuildTensorOfDType(absl::Span<const PickleValue> values, const PickleTuple& arguments);

// What torch._utils._rebuild_device_tensor_from_cpu_tensor makes of (tensor, dtype, device, requires_grad), as tensors
// of XLA devices are saved.
absl::StatusOr<PickledTensor> RebuildFromCpuTensor(absl::Span<const PickleValue> values, const PickleTuple& arguments);

// What torch._utils._rebuild_parameter makes of (tensor, requires_grad, backward_hooks).
absl::StatusOr<PickledTensor> RebuildParameter(absl::Span<const PickleValue> values, const PickleTuple& arguments);

// What torch._utils._rebuild_parameter_with_state makes of (tensor, requires_grad, backward_hooks, state): attributes
// that code of the training hung on a parameter. They say nothing about its values.
absl::StatusOr<PickledTensor> RebuildParameterWithState(absl::Span<const PickleValue> values,
                                                        const PickleTuple& arguments);

// What torch._tensor._rebuild_from_type_v2 makes of (function, type, arguments, state), as FSDP's sharded training
// saves its tensors: what one of the functions above but the last-named makes of the arguments. The type is
// torch.Tensor or torch.nn.parameter.Parameter; the state is not looked at. Of a function whose tensors are not read,
// such a tensor.
absl::StatusOr<PickledTensor> RebuildFromType(absl::Span<const PickleValue> values, const PickleTuple& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLED_TENSOR_H_
