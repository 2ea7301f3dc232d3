// What routers may have beyond the paper, learned with everything else (videodiffcr.md section 9, 1): a look at the
// chunk before. For comparison, on the plain path.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_ROUTING_ADDITIONS_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_ROUTING_ADDITIONS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/plain/transformer/block.h"
#include "model/weights/weight_table.h"

namespace videodiffcr::training {

// Of all blocks, fp32; undefined: not there. Copies share the tensors.
struct RoutingAdditions {
  // How a router sees the last frame of the chunk before, beside each frame: [blocks, r, chunk_frames], the column that
  // section 9, 1 adds to `mix`.
  at::Tensor past_mix;

  bool any() const { return past_mix.defined(); }
};

// One row per tensor; they point into `additions`.
std::vector<WeightRow> AdditionTable(const ModelConfig& config, RoutingAdditions* additions);

// What the rows are before training: without effect, bit for bit.
void InitializeAdditions(const std::vector<WeightRow>& rows, at::Device device);

// What the router of a block sees of the last frame of a finished chunk, whose tokens x [B, N, D] enter the block in
// the context pass: [B, S, r], without gradients.
at::Tensor PastFeatures(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x);

// The rule with what is added to block `block`, whose PastFeatures() of the chunk before are `past`; undefined: there
// is none. A rule's own scorer stays. Owns what it uses.
RoutingRule RuleWithAdditions(const RoutingAdditions& additions, size_t block, const at::Tensor& past,
                              RoutingRule rule);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_ROUTING_ADDITIONS_H_
