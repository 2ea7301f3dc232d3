#include "system/kept_memory.h"

#include <malloc.h>

namespace videodiffcr {

void KeepFreedMemory() {
  // The most that glibc takes for the first of the two.
  constexpr int kMostBytes = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, kMostBytes);
  mallopt(M_TRIM_THRESHOLD, kMostBytes);
}

}  // namespace videodiffcr
