// Launches of small kernels that follow each other on a stream.
#ifndef VIDEODIFFCR_MODEL_KERNELS_LAUNCH_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_LAUNCH_CUH_

#include <cuda_runtime.h>

#include <utility>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

// As kernel<<<grid, block, shared_bytes, stream>>>(arguments...), but the device may bring the kernel up while the one
// before it on the stream still ends ("programmatic dependent launch"). The kernel must call WaitForKernelBefore()
// before it touches memory.
template <typename... Parameters, typename... Arguments>
void LaunchEarly(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, Stream stream,
                 Arguments&&... arguments) {
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = 1;
  cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

__device__ __forceinline__ void WaitForKernelBefore() { cudaGridDependencySynchronize(); }

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_LAUNCH_CUH_
