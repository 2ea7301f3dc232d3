#include "model/gpu/device_event.h"

#include <cuda_runtime_api.h>

#include "absl/strings/str_cat.h"

namespace videodiffcr::gpu {

DeviceEvent::DeviceEvent() { cudaEventCreateWithFlags(&event_, cudaEventDisableTiming | cudaEventBlockingSync); }
DeviceEvent::~DeviceEvent() { cudaEventDestroy(event_); }

void DeviceEvent::Record(kernels::Stream stream) { cudaEventRecord(event_, stream); }
void DeviceEvent::MakeStreamWait(kernels::Stream stream) const { cudaStreamWaitEvent(stream, event_, 0); }

absl::Status DeviceEvent::Wait() const {
  cudaError_t error = cudaEventSynchronize(event_);
  if (error == cudaSuccess) error = cudaGetLastError();  // of a launch that never got to the device
  if (error == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("CUDA: ", cudaGetErrorString(error)));
}

}  // namespace videodiffcr::gpu
