// Where a GPU's time goes: what it ran, summed by kernel, and when it ran nothing.
#ifndef VIDEODIFFCR_BENCH_KERNEL_TABLE_H_
#define VIDEODIFFCR_BENCH_KERNEL_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace videodiffcr {

// One kernel, copy or fill on the device.
struct KernelSpan {
  std::string name;  // demangled, as the tracer has it
  uint64_t start_ns = 0, end_ns = 0;
};

struct KernelSum {
  std::string name;  // short
  int64_t calls = 0;
  uint64_t total_ns = 0;
};

struct KernelTimes {
  std::vector<KernelSum> kernels;  // longest total first, equal ones by name
  uint64_t span_ns = 0;            // from the first start to the last end
  uint64_t idle_ns = 0;            // of it with nothing running
};

// A kernel's name without return type, namespaces, arguments and template arguments. Of a wrapper that says nothing by
// itself (device_kernel, Kernel2, ...) the first template argument's name follows in brackets.
std::string ShortKernelName(std::string_view name);

// In any order; empty gives zeros. Spans on two streams may overlap: both count in full, and idle is what neither
// covers.
KernelTimes SumKernels(std::vector<KernelSpan> spans);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_KERNEL_TABLE_H_
