#include "model/plain/transformer/cache_ranking.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "model/config/noise.h"
#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/router.h"
#include "model/plain/transformer/selection.h"

namespace videodiffcr {
namespace {

// The queries of the tokens that the block ran, as its attention used them: [B, L, N, d].
at::Tensor QueriesOfBlock(const RanBlock& block) {
  const BlockContext& context = block.context;
  const at::Tensor m = block.weights.modulation.unsqueeze(1) + context.time;                             // [B, F, 6, D]
  const at::Tensor shift = m.select(2, 0).unsqueeze(2), scale = 1 + m.select(2, 1).unsqueeze(2);         // [B, F, 1, D]
  const at::Tensor x = LayerNorm(block.x, context.eps).unflatten(1, {context.time.size(1), -1});         // [B, F, S, D]
  const at::Tensor h = (x * scale + shift).flatten(1, 2);                                                // [B, N, D]
  const at::Tensor q = ApplyRotary(Queries(block.weights.self_attn, h, context.num_heads, context.eps),  // [B, N, N, d]
                                   context.positions.chunk);
  const at::Tensor& kept = block.output.kept;
  if (!kept.defined()) return q;
  return q.gather(1, kept.unsqueeze(-1).unsqueeze(-1).expand({-1, -1, q.size(2), q.size(3)}));
}

// a_i = mean over heads of softmax_i(q_mean . k_i / sqrt(d)), then divided by its mean over the token's frame.
at::Tensor Saliency(const RanBlock& block) {
  const ChunkPositions& positions = block.context.positions;
  const at::Tensor& cached = block.output.chunk.k;
  const at::Tensor k = WidenToFloat(positions.past ? ApplyRotary(cached, positions.chunk) : cached);
  const at::Tensor mean_query = WidenToFloat(QueriesOfBlock(block)).mean(1, /*keepdim=*/true);  // [B, 1, N, d]
  const at::Tensor logits = (mean_query * k).sum(-1) / std::sqrt(static_cast<double>(k.size(-1)));
  const at::Tensor looked_at = at::softmax(logits, 1).mean(2).unflatten(1, {block.context.time.size(1), -1});
  return (looked_at / looked_at.mean(2, /*keepdim=*/true)).flatten(1, 2);
}

at::Tensor RandomScores(const CacheRule& rule, const RanBlock& block) {
  const int64_t batch = block.x.size(0), tokens = block.x.size(1);
  at::Tensor scores = at::empty({batch, tokens}, at::kFloat);
  for (int64_t row = 0; row < batch; ++row) {
    FillRandomScores(rule.seeds.at(static_cast<size_t>(row)), block.first_frame, block.index,
                     absl::MakeSpan(scores.mutable_data_ptr<float>() + row * tokens, static_cast<size_t>(tokens)));
  }
  return scores.to(block.x.device());
}

}  // namespace

CacheRule CacheRuleAt(const CacheRetention& cache, RetentionTenths budget, int64_t blocks,
                      const std::vector<uint64_t>& seeds) {
  const CacheShares* shares = FindCacheShares(cache, budget);
  CacheRule rule = {cache.score, {}, seeds};
  for (int64_t block = 0; shares != nullptr && block < blocks; ++block) {
    rule.percent.push_back(PercentKept(shares, block));
  }
  return rule;
}

at::Tensor RankCachedKeys(const CacheRule& rule, const RanBlock& block) {
  switch (rule.score) {
    case CacheScore::kRouter:
      if (block.output.scores.defined()) return block.output.scores;
      return RouterScores(*block.weights.router, LayerNorm(block.x, block.context.eps), block.context.time.size(1));
    case CacheScore::kSaliency:
      return Saliency(block);
    case CacheScore::kKeyNorm:
      return WidenToFloat(block.output.chunk.k).flatten(2).norm(2, {-1});
    case CacheScore::kRandom:
      break;
  }
  return RandomScores(rule, block);
}

at::Tensor ChooseCachedKeys(const at::Tensor& scores, int percent, int64_t sink_tokens) {
  const int64_t batch = scores.size(0), ranked = scores.size(1) - sink_tokens;
  const auto options = scores.options().dtype(at::kBool);
  if (ranked == 0) return at::ones(scores.sizes(), options);
  const at::Tensor best = SelectTokens(scores.slice(1, sink_tokens), KeptKeys(percent, ranked)) + sink_tokens;
  at::Tensor stays = at::zeros(scores.sizes(), options).scatter(1, best, at::ones({batch, best.size(1)}, options));
  stays.slice(1, 0, sink_tokens).fill_(true);
  return stays;
}

}  // namespace videodiffcr
