// Routers that also see the chunk before, beyond the paper and learned with everything else (videodiffcr.md section 9,
// 1). For comparison, on the plain path.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_CACHE_AWARE_ROUTERS_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_CACHE_AWARE_ROUTERS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/plain/transformer/block.h"
#include "model/weights/weight_table.h"

namespace videodiffcr::training {

// Of all blocks, fp32; undefined: not there. Copies share the tensors.
struct CacheAwareRouters {
  // How a router sees the last frame of the chunk before, beside each frame: [blocks, r, chunk_frames], the column that
  // section 9, 1 adds to `mix`.
  at::Tensor past_mix;

  bool any() const { return past_mix.defined(); }
};

// One row per tensor; they point into `cache_aware`.
std::vector<WeightRow> CacheAwareTable(const ModelConfig& config, CacheAwareRouters* cache_aware);

// What the rows are before training: without effect, bit for bit.
void InitializeCacheAware(const std::vector<WeightRow>& rows, at::Device device);

// What the router of a block sees of the last frame of a finished chunk, whose tokens x [B, N, D] enter the block in
// the context pass: [B, S, r], without gradients.
at::Tensor PastFeatures(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x);

// The rule of block `block` whose router sees the chunk before, whose PastFeatures() of the chunk before are `past`;
// undefined: there is none. A rule's own scorer stays. Owns what it uses.
RoutingRule CacheAwareRule(const CacheAwareRouters& cache_aware, size_t block, const at::Tensor& past,
                           RoutingRule rule);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_CACHE_AWARE_ROUTERS_H_
