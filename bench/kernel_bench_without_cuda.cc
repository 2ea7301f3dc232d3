#include "bench/kernel_bench.h"

namespace videodiffcr {

absl::StatusOr<std::string> RunAttentionBench(const KernelBenchOptions&) {
  return absl::FailedPreconditionError("attention: this build has no CUDA kernels; build the preset cuda");
}

absl::StatusOr<std::string> RunLinearsBench(const KernelBenchOptions&) {
  return absl::FailedPreconditionError("linears: this build has no CUDA kernels; build the preset cuda");
}

}  // namespace videodiffcr
