#include "model/plain/transformer/light_bypass.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

namespace videodiffcr {

at::Tensor LightBypass(const BypassWeights& weights, const at::Tensor& x_norm) {
  const at::ScalarType type = x_norm.scalar_type();
  return at::linear(at::silu(at::linear(x_norm, weights.down.to(type))), weights.up.to(type));
}

}  // namespace videodiffcr
