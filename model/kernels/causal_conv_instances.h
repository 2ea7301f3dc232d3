// The instances of causal_conv_tile.cuh, by output channels per tile; each in a file of its own.
#ifndef VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_INSTANCES_H_
#define VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_INSTANCES_H_

#include "model/kernels/causal_conv.h"

namespace videodiffcr::kernels {

bool RunCausalConv64(const CausalConvCall& call, Stream stream);
bool RunCausalConv96(const CausalConvCall& call, Stream stream);
bool RunCausalConv128(const CausalConvCall& call, Stream stream);
bool RunCausalConv192(const CausalConvCall& call, Stream stream);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_INSTANCES_H_
