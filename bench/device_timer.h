// Time between two points of a CUDA stream, by events on the device.
#ifndef VIDEODIFFCR_BENCH_DEVICE_TIMER_H_
#define VIDEODIFFCR_BENCH_DEVICE_TIMER_H_

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <string>

namespace videodiffcr {

// On the current stream, as are both marks.
class DeviceTimer {
 public:
  DeviceTimer() {
    C10_CUDA_CHECK(cudaEventCreate(&first_));
    C10_CUDA_CHECK(cudaEventCreate(&last_));
  }
  ~DeviceTimer() {
    cudaEventDestroy(first_);
    cudaEventDestroy(last_);
  }
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  void Start() { C10_CUDA_CHECK(cudaEventRecord(first_, c10::cuda::getCurrentCUDAStream().stream())); }
  void Stop() { C10_CUDA_CHECK(cudaEventRecord(last_, c10::cuda::getCurrentCUDAStream().stream())); }
  // Waits for the second mark.
  double Milliseconds() const {
    float milliseconds = 0;
    C10_CUDA_CHECK(cudaEventSynchronize(last_));
    C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, first_, last_));
    return milliseconds;
  }

 private:
  cudaEvent_t first_, last_;
};

// Name and driver of the current device.
inline std::string DeviceName() {
  cudaDeviceProp properties;
  int driver = 0;
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  C10_CUDA_CHECK(cudaDriverGetVersion(&driver));
  return std::string(properties.name) + ", CUDA " + std::to_string(driver / 1000) + "." +
         std::to_string(driver % 1000 / 10);
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_DEVICE_TIMER_H_
