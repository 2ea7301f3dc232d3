#include "training/students/cache_aware_routers.h"

#include <ATen/TensorOperators.h>

#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {
namespace {

// u[g] = sum over f of mix[g,f] z[f], + past_mix[g] z of the last frame before.
TokenScorer CacheAwareScorer(const at::Tensor& past_mix, const at::Tensor& past, int64_t block) {
  return [=](const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
    const int64_t frames = context.time.size(1);
    const at::Tensor z = RouterFeatures(*weights.router, LayerNorm(x, context.eps));
    const at::Tensor column = past_mix[block].to(z.scalar_type()).t().slice(0, 0, frames).unsqueeze(1);  // [C, 1, r]
    return ScoresOfFeatures(*weights.router, z, frames, column * past.unsqueeze(1));
  };
}

}  // namespace

std::vector<WeightRow> CacheAwareTable(const ModelConfig& config, CacheAwareRouters* cache_aware) {
  const TransformerConfig& transformer = config.transformer;
  return {{"router.past_mix",
           {transformer.num_layers, config.retention.router_dim, transformer.chunk_frames},
           &cache_aware->past_mix}};
}

void InitializeCacheAware(const std::vector<WeightRow>& rows, at::Device device) {
  for (const WeightRow& row : rows) FillConstantWeight(row, 0, device);
}

at::Tensor PastFeatures(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
  const int64_t tokens_per_frame = x.size(1) / context.time.size(1);
  const at::Tensor last = x.detach().narrow(1, x.size(1) - tokens_per_frame, tokens_per_frame);
  return RouterFeatures(*weights.router, LayerNorm(last, context.eps)).detach();
}

RoutingRule CacheAwareRule(const CacheAwareRouters& cache_aware, size_t block, const at::Tensor& past,
                           RoutingRule rule) {
  const auto index = static_cast<int64_t>(block);
  if (cache_aware.past_mix.defined() && past.defined() && !rule.scorer) {
    rule.scorer = CacheAwareScorer(cache_aware.past_mix, past, index);
  }
  return rule;
}

}  // namespace videodiffcr::training
