#include "model/kernels/causal_conv.h"

#include <cuda_runtime.h>

#include "model/kernels/causal_conv_instances.h"

namespace videodiffcr::kernels {
namespace {

int Processors() {
  int device = 0, processors = 1;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  return processors;
}

}  // namespace

bool CausalConv(const CausalConvCall& call, Stream stream) {
  if (!CausalConvTakes(call.in_channels, call.out_channels)) return false;
  if (call.element != Element::kBfloat16 && call.element != Element::kFloat16) return false;
  const int64_t positions = int64_t{call.out_frames()} * call.out_height * call.out_width;
  switch (ChooseCausalConvTile(positions, call.in_channels, call.out_channels, Processors())) {
    case 64:
      return RunCausalConv64(call, stream);
    case 96:
      return RunCausalConv96(call, stream);
    case 128:
      return RunCausalConv128(call, stream);
    default:
      return RunCausalConv192(call, stream);
  }
}

}  // namespace videodiffcr::kernels
