// How well routers do it (tiny_recipe.md section 8 (a), videodiffcr.md section 2.2).
#ifndef VIDEODIFFCR_TRAINING_STAGES_ROUTER_TARGET_H_
#define VIDEODIFFCR_TRAINING_STAGES_ROUTER_TARGET_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/status/status.h"

namespace videodiffcr::training {

// InvalidArgument naming the flags unless there are lengths from `least` to `most`.
absl::Status CheckChunks(int64_t least, int64_t most);

struct RouterQuality {
  // 1 - mean (score - target)^2 over tokens: the target's variance is 1, so 1 is perfect and 0 no better than a
  // constant.
  double variance_explained = 0;
  // Of the `kept` tokens that the scores choose, the share that the target would choose, too. By chance kept / N.
  double overlap = 0;
};

// Of scores and targets [B, N], mean over B.
RouterQuality JudgeScores(const at::Tensor& scores, const at::Tensor& targets, int64_t kept);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_ROUTER_TARGET_H_
