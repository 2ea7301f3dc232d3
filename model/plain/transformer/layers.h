// The primitives of the network, causal_wan_dit.md section 4. All carry gradients and keep the input's type.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_LAYERS_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_LAYERS_H_

#include <ATen/core/Tensor.h>

#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

// x [..., in] -> [..., out].
at::Tensor Linear(const at::Tensor& x, const LinearWeights& weights);

// Over the last axis, biased variance, no affine part. x [..., D].
at::Tensor LayerNorm(const at::Tensor& x, double eps);

// The same, then times `weight` [D] plus `bias` [D].
at::Tensor AffineLayerNorm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

// x [..., D] over the root of its mean square, statistics in fp32, then times `weight` [D].
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
at::Tensor GeluTanh(const at::Tensor& x);

// At least fp32: where statistics and scores are computed.
at::Tensor WidenToFloat(const at::Tensor& x);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_LAYERS_H_
