#include "model/kernels/causal_conv_instances.h"
#include "model/kernels/causal_conv_tile.cuh"

namespace videodiffcr::kernels {

bool RunCausalConv192(const CausalConvCall& call, Stream stream) {
  return call.element == Element::kBfloat16
             ? CausalConvTile<cutlass::bfloat16_t, 128, 192, 64, 0, 1>::Launch(call, stream)
             : CausalConvTile<cutlass::half_t, 128, 192, 64, 0, 1>::Launch(call, stream);
}

}  // namespace videodiffcr::kernels
