// What the GPU runs during some work, by the tracer that LibTorch brings (Kineto over CUPTI).
#ifndef VIDEODIFFCR_BENCH_KERNEL_TRACE_H_
#define VIDEODIFFCR_BENCH_KERNEL_TRACE_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/kernel_table.h"

namespace videodiffcr {

// Kernels, copies and fills of all streams between two idle moments of the device, `work` between them. Tracing slows
// work down by some per cent. FailedPrecondition without CUDA or where the tracer sees no GPU; else work's own error.
absl::StatusOr<std::vector<KernelSpan>> TraceKernels(const std::function<absl::Status()>& work);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_KERNEL_TRACE_H_
