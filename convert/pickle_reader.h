// Reads the pickle inside a torch.save file without executing anything.
//
// A pickle is a program for a stack machine; Python's machine can call any function. This one knows only what
// torch.save writes for maps of tensors (protocol 2): plain values, tuples, lists, dicts, references to tensor
// storages, and five callables (collections.OrderedDict, torch._utils._rebuild_tensor_v2,
// torch._utils._rebuild_parameter with and without state, torch._tensor._rebuild_from_type_v2), which it does not call
// but understands. Every other opcode or global is an error with its name and byte offset.
#ifndef VIDEODIFFCR_CONVERT_PICKLE_READER_H_
#define VIDEODIFFCR_CONVERT_PICKLE_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/pickle_value.h"

namespace videodiffcr {

inline constexpr size_t kMaxPickleBytes = 16 << 20;    // the pickle of the 14B model has 0.3 MiB
inline constexpr size_t kMaxPickleValues = 1'000'000;  // bounds the memory of a hostile pickle to about 150 MB

// Strings of the result point into `pickle`, which must outlive it. InvalidArgument with the byte offset.
absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const uint8_t> pickle);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_READER_H_
