// What the model's work throws on the CPU, as a status.
#ifndef VIDEODIFFCR_MODEL_CPU_FAILURE_H_
#define VIDEODIFFCR_MODEL_CPU_FAILURE_H_

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace videodiffcr::cpu {

// ResourceExhausted "no memory for WORK" for std::bad_alloc and for LibTorch's own words for it (its CPU allocator
// throws a plain error); Internal with `error`'s text otherwise.
absl::Status FailureOf(absl::string_view work, const std::exception& error);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_FAILURE_H_
