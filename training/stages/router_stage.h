// Warm start of the routers: each learns to predict which tokens its block changes most (tiny_recipe.md section 8 (a),
// videodiffcr.md section 2.2).
//
// Target: log |Block(x) - x| per token of the dense block, standardised over the chunk's tokens; inputs from dense
// rollouts of captions, all denoising steps; backbone frozen, no gradient through it, no gate.
#ifndef VIDEODIFFCR_TRAINING_STAGES_ROUTER_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_ROUTER_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

struct RouterStageOptions {
  StageOptions stage = {.steps = 150, .batch = 8, .learning_rate = 3e-3};
  int64_t min_chunks = 2, max_chunks = 4;  // length of a rollout
};

// FailedPrecondition when the model folder has no router_dim or wants a gate, which this stage does not train.
absl::StatusOr<std::unique_ptr<TrainingStage>> MakeRouterStage(const RouterStageOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_ROUTER_STAGE_H_
