#include "model/kernels/launch.cuh"
#include "model/kernels/light_bypass.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kTokens = 8;  // of a block, so that `up` is read once for them

// One block per kTokens tokens; a thread walks columns of the stream.
__global__ void __launch_bounds__(kThreads) BypassTokens(LightBypassCall call) {
  __shared__ float activated[kTokens * kMostBypassRank];
  __shared__ bool bypassed[kTokens];
  WaitForKernelBefore();
  const int first = blockIdx.x * kTokens, tokens = min(kTokens, call.tokens - first);
  for (int i = threadIdx.x; i < tokens * call.rank; i += kThreads) {
    const float z = call.hidden[static_cast<int64_t>(first) * call.rank + i];
    activated[i] = z / (1 + __expf(-z));
  }
  if (threadIdx.x < kTokens) bypassed[threadIdx.x] = threadIdx.x < tokens && call.place[first + threadIdx.x] < 0;
  __syncthreads();
  for (int column = threadIdx.x; column < call.width; column += kThreads) {
    float update[kTokens] = {};
    for (int r = 0; r < call.rank; ++r) {
      const float up = call.up[static_cast<int64_t>(r) * call.width + column];
#pragma unroll
      for (int token = 0; token < kTokens; ++token) {
        if (token < tokens) update[token] += activated[token * call.rank + r] * up;
      }
    }
#pragma unroll
    for (int token = 0; token < kTokens; ++token) {
      if (bypassed[token]) call.stream[static_cast<int64_t>(first + token) * call.width + column] += update[token];
    }
  }
}

}  // namespace

void LightBypass(const LightBypassCall& call, Stream stream) {
  LaunchEarly(BypassTokens, (call.tokens + kTokens - 1) / kTokens, kThreads, 0, stream, call);
}

}  // namespace videodiffcr::kernels
