#include "model/cpu/failure.h"

#include <c10/util/Exception.h>

#include <new>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr::cpu {
namespace {

bool IsLackOfMemory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  return absl::StrContains(error.what(), "DefaultCPUAllocator: ");
}

}  // namespace

absl::Status FailureOf(absl::string_view work, const std::exception& error) {
  if (IsLackOfMemory(error)) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", work));
  return absl::InternalError(absl::StrCat(work, ": ", error.what()));
}

}  // namespace videodiffcr::cpu
