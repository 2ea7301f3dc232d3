#include "model/kernels/causal_conv_instances.h"
#include "model/kernels/causal_conv_tile.cuh"

namespace videodiffcr::kernels {

bool RunCausalConv64(const CausalConvCall& call, Stream stream) {
  return call.element == Element::kBfloat16
             ? CausalConvTile<cutlass::bfloat16_t, 256, 64, 64, 0, 1>::Launch(call, stream)
             : CausalConvTile<cutlass::half_t, 256, 64, 64, 0, 1>::Launch(call, stream);
}

}  // namespace videodiffcr::kernels
