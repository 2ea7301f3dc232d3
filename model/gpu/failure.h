// What the model's work throws on a GPU, as a status. No CUDA here: it is tested without a GPU.
#ifndef VIDEODIFFCR_MODEL_GPU_FAILURE_H_
#define VIDEODIFFCR_MODEL_GPU_FAILURE_H_

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace videodiffcr::gpu {

// ResourceExhausted "no GPU memory for WORK" with the allocator's figures where LibTorch has no memory of the device to
// give; ResourceExhausted "no memory for WORK" for std::bad_alloc, for LibTorch's CPU allocator (a plain error) and for
// CUDA's own word for it, which pinned memory ends with; Internal with `error`'s text otherwise.
absl::Status FailureOf(absl::string_view work, const std::exception& error);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_FAILURE_H_
