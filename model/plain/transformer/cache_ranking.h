// Which keys of a finished chunk stay in the cache (videodiffcr.md section 9, 8). On the plain path the others are not
// taken out but marked: nobody sees them any more.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_CACHE_RANKING_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_CACHE_RANKING_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/cache_retention.h"
#include "model/plain/transformer/block.h"

namespace videodiffcr {

// What the context pass of a chunk leaves in the cache.
struct CacheRule {
  CacheScore score = CacheScore::kRouter;
  std::vector<int> percent;     // one per block; empty: everything
  std::vector<uint64_t> seeds;  // CacheScore::kRandom: of the sessions, one per batch row
};

// The rule for a chunk that was made at a budget.
CacheRule CacheRuleAt(const CacheRetention& cache, RetentionTenths budget, int64_t blocks,
                      const std::vector<uint64_t>& seeds = {});

// The context pass of one block, which has run: its number, its input x [B, N, D] and what it gave, with the keys of
// all N tokens. `first_frame`: latent frames of the scene before the chunk.
struct RanBlock {
  int64_t index = 0;
  const BlockWeights& weights;
  const BlockContext& context;
  const at::Tensor& x;
  const BlockOutput& output;
  int64_t first_frame = 0;
};

// Scores of the chunk's tokens: fp32 [B, N].
at::Tensor RankCachedKeys(const CacheRule& rule, const RanBlock& block);

// Marks `percent` of the best of a chunk's tokens, scores [B, N] -> bool [B, N], besides all of its first
// `sink_tokens`, which are not counted.
at::Tensor ChooseCachedKeys(const at::Tensor& scores, int percent, int64_t sink_tokens);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_CACHE_RANKING_H_
