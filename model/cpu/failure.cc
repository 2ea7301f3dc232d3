#include "model/cpu/failure.h"

#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"
#include "model/api/host_memory.h"

namespace videodiffcr::cpu {

absl::Status FailureOf(absl::string_view work, const std::exception& error) {
  const bool no_memory = IsLackOfHostMemory(error) || dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr;
  if (no_memory) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", work));
  return absl::InternalError(absl::StrCat(work, ": ", error.what()));
}

}  // namespace videodiffcr::cpu
