#include "training/students/routing_additions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

#include <cmath>

#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {
namespace {

constexpr char kBypassDown[] = "bypass.down";
constexpr uint64_t kFirstDraw = 1000;  // behind those of routers, which may be drawn from the same seed

TokenBypass LightBypass(const at::Tensor& down, const at::Tensor& up, int64_t block) {
  return [=](const at::Tensor& x, const at::Tensor& x_norm) {
    const auto of_block = [&](const at::Tensor& weights) { return weights[block].to(x.scalar_type()); };
    return x + at::linear(at::silu(at::linear(x_norm, of_block(down))), of_block(up));
  };
}

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

std::vector<WeightRow> AdditionTable(const AdditionOptions& options, const ModelConfig& config,
                                     RoutingAdditions* additions) {
  const TransformerConfig& transformer = config.transformer;
  const int64_t blocks = transformer.num_layers, dim = transformer.dim, rank = options.light_bypass;
  std::vector<WeightRow> rows;
  if (rank > 0) {
    rows.push_back({kBypassDown, {blocks, rank, dim}, &additions->bypass_down});
    rows.push_back({"bypass.up", {blocks, dim, rank}, &additions->bypass_up});
  }
  if (options.cache_aware) {
    rows.push_back(
        {"router.past_mix", {blocks, config.retention.router_dim, transformer.chunk_frames}, &additions->past_mix});
  }
  return rows;
}

void InitializeAdditions(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device) {
  for (const WeightRow& row : rows) {
    if (row.name == kBypassDown) {
      FillNormalWeight(row, 1 / std::sqrt(static_cast<double>(row.shape[2])), seed, kFirstDraw, device);
    } else {
      FillConstantWeight(row, 0, device);
    }
  }
}

at::Tensor PastFeatures(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
  const int64_t tokens_per_frame = x.size(1) / context.time.size(1);
  const at::Tensor last = x.detach().narrow(1, x.size(1) - tokens_per_frame, tokens_per_frame);
  return RouterFeatures(*weights.router, LayerNorm(last, context.eps)).detach();
}

RoutingRule RuleWithAdditions(const RoutingAdditions& additions, size_t block, const at::Tensor& past,
                              RoutingRule rule) {
  const auto index = static_cast<int64_t>(block);
  if (additions.bypass_up.defined()) rule.bypass = LightBypass(additions.bypass_down, additions.bypass_up, index);
  if (additions.past_mix.defined() && past.defined() && !rule.scorer) {
    rule.scorer = CacheAwareScorer(additions.past_mix, past, index);
  }
  return rule;
}

}  // namespace videodiffcr::training
