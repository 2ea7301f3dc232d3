// What a routed block adds to the tokens that it does not keep (videodiffcr.md section 9, 6).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_LIGHT_BYPASS_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_LIGHT_BYPASS_H_

#include <ATen/core/Tensor.h>

#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

// up SiLU(down x_norm), in the type of x_norm [B, N, D]: the block's input after LayerNorm, before modulation.
at::Tensor LightBypass(const BypassWeights& weights, const at::Tensor& x_norm);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_LIGHT_BYPASS_H_
