#include "model/kernels/causal_conv_instances.h"
#include "model/kernels/causal_conv_tile.cuh"

namespace videodiffcr::kernels {

bool RunCausalConv96(const CausalConvCall& call, Stream stream) {
  return call.element == Element::kBfloat16
             ? CausalConvTile<cutlass::bfloat16_t, 256, 96, 32, 0, 1>::Launch(call, stream)
             : CausalConvTile<cutlass::half_t, 256, 96, 32, 0, 1>::Launch(call, stream);
}

}  // namespace videodiffcr::kernels
