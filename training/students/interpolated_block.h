// A routed block at a learned ratio: between its two neighbouring bins, so that the ratio has a gradient
// (videodiffcr.md section 5.1).
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_INTERPOLATED_BLOCK_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_INTERPOLATED_BLOCK_H_

#include <ATen/core/Tensor.h>

#include "model/plain/transformer/block.h"
#include "training/students/learned_ratios.h"

namespace videodiffcr::training {

// (1 - w) Block(x; lower bin) + w Block(x; upper bin), both from one ranking; bin 1 is the dense block. `rho`: the
// layer's ratio, 0-dim fp32, whose bins are `bins`; it gets the gradient 10 <dL/dy, upper - lower>, nothing beyond the
// clamp. Where w is 1 the result is the upper bin's, bit for bit. The keys are those of one of the bins: not for the
// cache.
BlockOutput InterpolatedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                              const RatioBins& bins, const at::Tensor& rho, const at::Tensor& x);

// The mixing alone: of what the two bins of `rho` gave.
BlockOutput MixedBins(const RatioBins& bins, const at::Tensor& rho, const BlockOutput& lower, BlockOutput upper);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_INTERPOLATED_BLOCK_H_
