// Kernels of the GPU path alone, at the sizes of the public 1.3B model (12 heads of 128, 4680 tokens per chunk), random
// values.
#ifndef VIDEODIFFCR_BENCH_KERNEL_BENCH_H_
#define VIDEODIFFCR_BENCH_KERNEL_BENCH_H_

#include <string>

#include "absl/status/statusor.h"

namespace videodiffcr {

struct KernelBenchOptions {
  std::string json_file;  // empty: none
};

// Our ragged attention in bf16 and fp8, with and without cut tiles (model/kernels/attention_plan.h), beside
// at::scaled_dot_product_attention. FailedPrecondition without CUDA.
absl::StatusOr<std::string> RunAttentionBench(const KernelBenchOptions& options);

// Products of a block in bf16 and fp8 (model/gpu/linear.h), with weights and rows that no cache holds from the call
// before. FailedPrecondition without CUDA.
absl::StatusOr<std::string> RunLinearsBench(const KernelBenchOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_KERNEL_BENCH_H_
