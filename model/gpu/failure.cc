#include "model/gpu/failure.h"

#include <c10/util/Exception.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "model/api/host_memory.h"

namespace videodiffcr::gpu {
namespace {

constexpr int32_t kCudaErrorMemoryAllocation = 2;  // cudaErrorMemoryAllocation, by its number: see failure.h

bool IsLackOfMemory(const std::exception& error) {
  const auto* const cuda = dynamic_cast<const c10::AcceleratorError*>(&error);
  if (cuda != nullptr) return cuda->get_error_code() == kCudaErrorMemoryAllocation;
  return IsLackOfHostMemory(error);
}

}  // namespace

absl::Status FailureOf(absl::string_view work, const std::exception& error) {
  if (const auto* const device = dynamic_cast<const c10::OutOfMemoryError*>(&error)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no GPU memory for ", work, ": ", device->what_without_backtrace()));
  }
  if (IsLackOfMemory(error)) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", work));
  return absl::InternalError(absl::StrCat(work, ": ", error.what()));
}

}  // namespace videodiffcr::gpu
