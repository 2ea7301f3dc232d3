// A retention table that nothing is trained for: each block's sensitivity decides it, measured one swap at a time.
// Along dense rollouts, one block of a pass runs routed at one tenth, the others dense; the loss of that block and
// tenth is the squared error of x0 that it makes. The table is the one of least summed loss among those that execute
// the target; the model's routers rank the tokens, and no weight changes.
#ifndef VIDEODIFFCR_TRAINING_STAGES_SENSITIVITY_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_SENSITIVITY_STAGE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"
#include "training/students/learned_ratios.h"

namespace videodiffcr::training {

// Tenths per layer of least summed loss among those whose mean is as near to `target` as it gets: the mean of what they
// execute, or of the ratios themselves. `losses` [layer][tenths of its ratio - floor], the steps' summed.
std::vector<int> LeastSensitiveTenths(const std::vector<std::vector<double>>& losses, double target,
                                      const RatioRule& rule, RatioAccounting accounting = RatioAccounting::kExecuted);

// At most eight steps, whatever the options say: a measurement needs no more. FailedPrecondition when the model has no
// routers, InvalidArgument when the target is not in [0.1, 1).
absl::StatusOr<std::unique_ptr<TrainingStage>> MakeSensitivityStage(const StageOptions& stage, double target);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_SENSITIVITY_STAGE_H_
