#include "model/gpu/device_health.h"

#include <cuda_runtime_api.h>

#include <iostream>

#include "absl/strings/str_cat.h"

namespace videodiffcr::gpu {

absl::Status DeviceHealth::status() const {
  MutexLock lock(&mutex_);
  return status_;
}

void DeviceHealth::Check() {
  cudaGetLastError();  // of a call that was refused; the device goes on
  const cudaError_t error = cudaDeviceSynchronize();
  if (error == cudaSuccess) return;
  {
    MutexLock lock(&mutex_);
    if (!status_.ok()) return;
    status_ = absl::InternalError(absl::StrCat("CUDA: ", cudaGetErrorString(error)));
  }
  // Whoever reads there may be slow, and status() is asked for meanwhile.
  std::cerr << absl::StrCat("the GPU is lost, nothing runs on it any more: ", cudaGetErrorString(error), "\n");
}

}  // namespace videodiffcr::gpu
