#include "bench/kernel_trace.h"

#include <c10/core/DeviceType.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <exception>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

namespace profiler = torch::autograd::profiler;

// Of libkineto's ActivityType, whose header LibTorch does not ship.
constexpr uint8_t kGpuCopy = 3, kGpuFill = 4, kGpuKernel = 5;

bool IsDeviceWork(const profiler::KinetoEvent& event) {
  return event.deviceType() == c10::DeviceType::CUDA && event.activityType() >= kGpuCopy &&
         event.activityType() <= kGpuKernel;
}

}  // namespace

absl::StatusOr<std::vector<KernelSpan>> TraceKernels(const std::function<absl::Status()>& work) {
  try {
    const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
    const std::set<profiler::ActivityType> activities = {profiler::ActivityType::CUDA};
    profiler::prepareProfiler(config, activities);
    cudaDeviceSynchronize();
    profiler::enableProfiler(config, activities);
    const absl::Status status = work();
    cudaDeviceSynchronize();
    const std::unique_ptr<profiler::ProfilerResult> result = profiler::disableProfiler();
    if (!status.ok()) return status;
    std::vector<KernelSpan> spans;
    for (const profiler::KinetoEvent& event : result->events()) {
      if (IsDeviceWork(event)) spans.push_back({event.name(), event.startNs(), event.endNs()});
    }
    if (spans.empty()) return absl::FailedPreconditionError("the tracer saw no work of a GPU; is CUPTI there?");
    return spans;
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("the tracer failed: ", error.what()));
  }
}

}  // namespace videodiffcr
