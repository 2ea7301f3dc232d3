// A point on a CUDA stream that hosts and other streams can wait for. Waiting hosts sleep instead of spinning.
#ifndef VIDEODIFFCR_MODEL_GPU_DEVICE_EVENT_H_
#define VIDEODIFFCR_MODEL_GPU_DEVICE_EVENT_H_

#include "absl/status/status.h"
#include "model/kernels/element.h"

struct CUevent_st;

namespace videodiffcr::gpu {

class DeviceEvent {
 public:
  DeviceEvent();
  ~DeviceEvent();
  DeviceEvent(const DeviceEvent&) = delete;
  DeviceEvent& operator=(const DeviceEvent&) = delete;

  void Record(kernels::Stream stream);
  void MakeStreamWait(kernels::Stream stream) const;
  // OK at once when nothing was recorded. Reports what went wrong on the device up to this point.
  absl::Status Wait() const;

 private:
  CUevent_st* event_ = nullptr;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_DEVICE_EVENT_H_
