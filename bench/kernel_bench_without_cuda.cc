#include "bench/kernel_bench.h"

#include <functional>

#include "bench/kernel_trace.h"

namespace videodiffcr {

absl::StatusOr<std::string> RunAttentionBench(const KernelBenchOptions&) {
  return absl::FailedPreconditionError("attention: this build has no CUDA kernels; build the preset cuda");
}

absl::StatusOr<std::string> RunLinearsBench(const KernelBenchOptions&) {
  return absl::FailedPreconditionError("linears: this build has no CUDA kernels; build the preset cuda");
}

absl::StatusOr<std::vector<KernelSpan>> TraceKernels(const std::function<absl::Status()>&) {
  return absl::FailedPreconditionError("kernels: this build has no CUDA kernels; build the preset cuda");
}

}  // namespace videodiffcr
