// What is thrown where the host has no memory.
#ifndef VIDEODIFFCR_MODEL_API_HOST_MEMORY_H_
#define VIDEODIFFCR_MODEL_API_HOST_MEMORY_H_

#include <exception>
#include <new>

#include "absl/strings/match.h"

namespace videodiffcr {

// std::bad_alloc, and the plain error that LibTorch's allocator of host memory throws.
inline bool IsLackOfHostMemory(const std::exception& error) {
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         absl::StrContains(error.what(), "DefaultCPUAllocator: ");
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_API_HOST_MEMORY_H_
