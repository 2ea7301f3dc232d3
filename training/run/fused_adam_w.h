// The update itself, of many tensors at once: with a kernel or more a tensor, starting them costs a GPU more than
// running them.
#ifndef VIDEODIFFCR_TRAINING_RUN_FUSED_ADAM_W_H_
#define VIDEODIFFCR_TRAINING_RUN_FUSED_ADAM_W_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "training/run/adam_w_options.h"

namespace videodiffcr::training {

// Weights of one rate and decay with what belongs to them, as the lists that fused operators take.
struct FusedRows {
  std::vector<at::Tensor> weights, gradients, means, squares;
};

// Weights and running means change. The gradients count as they are, clipped or not.
void ApplyAdamW(FusedRows rows, const GroupRate& rate, double weight_decay, const AdamWOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_FUSED_ADAM_W_H_
