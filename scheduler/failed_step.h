// What is said of a step that the model could not run.
#ifndef VIDEODIFFCR_SCHEDULER_FAILED_STEP_H_
#define VIDEODIFFCR_SCHEDULER_FAILED_STEP_H_

#include "absl/status/status.h"
#include "model/api/step_plan.h"

namespace videodiffcr {

// `status` with the step in front of its message; what it carries stays.
absl::Status FailedStep(const absl::Status& status, const PlannedStep& step);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_FAILED_STEP_H_
