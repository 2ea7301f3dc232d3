#include "model/plain/decoder/causal_conv.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/zeros.h>

namespace videodiffcr {

at::Tensor CausalConv(const at::Tensor& x, const ConvWeights& conv, at::Tensor* history) {
  if (!history->defined())
    *history = at::zeros({x.size(0), x.size(1), kHistoryFrames, x.size(3), x.size(4)}, x.options());
  const at::Tensor extended = at::cat({*history, x}, 2);
  *history = extended.narrow(2, extended.size(2) - kHistoryFrames, kHistoryFrames);
  const int64_t padding = conv.weight.size(-1) / 2;
  return at::conv3d(extended, conv.weight, conv.bias, 1, {0, padding, padding});
}

at::Tensor PointConv(const at::Tensor& x, const ConvWeights& conv) { return at::conv3d(x, conv.weight, conv.bias); }

}  // namespace videodiffcr
