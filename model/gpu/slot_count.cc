#include "model/gpu/slot_count.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace videodiffcr::gpu {

absl::StatusOr<int> SlotsThatFit(int wanted, int64_t slot_bytes, int64_t scratch_bytes, const GpuMemory& memory) {
  const int64_t free_bytes = memory.free_bytes, reserve = memory.total_bytes / 16;
  const int64_t room = free_bytes - scratch_bytes - reserve;
  const int64_t fit = std::max<int64_t>(room, 0) / slot_bytes;
  const int needed = std::max(wanted, 1);
  if (fit < needed) {
    return absl::ResourceExhaustedError(
        absl::StrCat("GPU memory: ", free_bytes, " bytes are free beside the weights; ", needed, " sessions need ",
                     needed * slot_bytes + scratch_bytes + reserve, ": serve fewer sessions or a smaller window"));
  }
  return static_cast<int>(wanted > 0 ? wanted : std::min<int64_t>(fit, kMostSessions));
}

}  // namespace videodiffcr::gpu
