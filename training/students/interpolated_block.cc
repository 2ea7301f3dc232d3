#include "training/students/interpolated_block.h"

#include <ATen/TensorOperators.h>

#include "model/plain/transformer/diffusion_transformer.h"

namespace videodiffcr::training {

BlockOutput InterpolatedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                              const RatioBins& bins, const at::Tensor& rho, const at::Tensor& x) {
  if (bins.slope == 0) {  // at a bound, so on a bin, and nothing to learn
    return RunBlock(weights, context, rule, bins.weight < 1 ? bins.lower_tenths : bins.upper_tenths, x);
  }
  const RankedTokens ranked = RankTokens(weights, context, rule, x);
  const auto run = [&](int tenths) {
    if (tenths == kDenseTenths) return DenseBlock(weights, context, x);
    const at::Tensor kept = ChooseTokens(ranked, rule, KeptRows(tenths, x.size(1)), context.time.size(1));
    return RunKeptTokens(weights, context, rule, ranked, kept, x);
  };
  return MixedBins(bins, rho, run(bins.lower_tenths), run(bins.upper_tenths));
}

BlockOutput MixedBins(const RatioBins& bins, const at::Tensor& rho, const BlockOutput& lower, BlockOutput upper) {
  // 1 - w as a number that moves with rho: rho - its own value is 0, with a gradient.
  const at::Tensor left = (1 - bins.weight) - (rho - rho.detach()) * bins.slope;
  // In fp32: the gradient is of a difference that bf16 would lose.
  const at::Tensor mixed = upper.x.to(at::kFloat) - left * (upper.x.to(at::kFloat) - lower.x.to(at::kFloat));
  upper.x = mixed.to(upper.x.scalar_type());
  return upper;
}

}  // namespace videodiffcr::training
