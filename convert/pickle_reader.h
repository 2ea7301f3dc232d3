// Reads the pickle inside a torch.save file without executing anything.
//
// A pickle is a program for a stack machine; Python's machine can call any function. This one knows only what
// torch.save writes for maps of tensors (protocol 2 or 3): plain values, tuples, lists, dicts, references to tensor
// storages, and the names of pickle_globals.h, which it does not call but understands. Every other opcode or global is
// an error with its name and byte offset.
#ifndef VIDEODIFFCR_CONVERT_PICKLE_READER_H_
#define VIDEODIFFCR_CONVERT_PICKLE_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/pickle_value.h"

namespace videodiffcr {

inline constexpr size_t kMaxPickleBytes = 16 << 20;  // the pickle of the 14B model has 0.3 MiB
// Also of the stack, of marks on it, of what is remembered, and of what is copied when a value is made of others again
// and again. It bounds the memory that a hostile pickle takes to about 250 MB, more than half of it values.
inline constexpr size_t kMaxPickleValues = 1'000'000;

// Strings of the result point into `pickle`, which must outlive it. InvalidArgument with the byte offset.
absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const uint8_t> pickle);

// The pickle that `bytes` begin with, whatever follows it; `pickle_bytes` is set to how many it has.
absl::StatusOr<PickleDocument> ReadFirstPickle(absl::Span<const uint8_t> bytes, size_t* pickle_bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_READER_H_
