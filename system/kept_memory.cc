#include "system/kept_memory.h"

#include <malloc.h>

#include <algorithm>
#include <thread>

namespace videodiffcr {

void KeepFreedMemory() {
  // The most that glibc takes for the first of the two.
  constexpr int kMostBytes = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, kMostBytes);
  mallopt(M_TRIM_THRESHOLD, kMostBytes);
}

void BoundHeapParts() { mallopt(M_ARENA_MAX, std::max(2, static_cast<int>(std::thread::hardware_concurrency()))); }

}  // namespace videodiffcr
