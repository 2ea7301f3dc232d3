// How many sessions a GPU's memory holds: a pure function, so that it can be tested without one.
#ifndef VIDEODIFFCR_MODEL_GPU_SLOT_COUNT_H_
#define VIDEODIFFCR_MODEL_GPU_SLOT_COUNT_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace videodiffcr::gpu {

inline constexpr int kMostSessions = 64;

struct GpuMemory {
  int64_t free_bytes = 0, total_bytes = 0;
};

// Slots of `slot_bytes` beside `scratch_bytes` and a sixteenth of the device that is kept free, since decoders that do
// not know their work space, cuDNN and kernels brought to the device take what nobody counts. `wanted` 0: as many as
// fit, at most kMostSessions. ResourceExhausted when `wanted`, or one, do not fit; it says what is free and what is
// needed.
absl::StatusOr<int> SlotsThatFit(int wanted, int64_t slot_bytes, int64_t scratch_bytes, const GpuMemory& memory);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_SLOT_COUNT_H_
