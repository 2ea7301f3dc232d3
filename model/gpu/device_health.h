// Whether the CUDA device still answers: after an illegal access, say, it gives an error to whatever is asked of it
// until the process ends.
#ifndef VIDEODIFFCR_MODEL_GPU_DEVICE_HEALTH_H_
#define VIDEODIFFCR_MODEL_GPU_DEVICE_HEALTH_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "threading/mutex.h"

namespace videodiffcr::gpu {

// Any thread may call.
class DeviceHealth {
 public:
  // OK until Check() has found the device lost; then for good what CUDA says.
  absl::Status status() const;
  bool lost() const { return !status().ok(); }

  // To be called when something has failed: waits for what the device has to do, and looks whether it could. The first
  // call that finds it lost says so on stderr.
  void Check();

 private:
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_DEVICE_HEALTH_H_
