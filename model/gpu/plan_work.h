// Whose failure it is when the steps of a plan share their passes. No CUDA here: it is tested without a GPU.
#ifndef VIDEODIFFCR_MODEL_GPU_PLAN_WORK_H_
#define VIDEODIFFCR_MODEL_GPU_PLAN_WORK_H_

#include <cstddef>
#include <exception>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr::gpu {

// What there is to do for a plan. All may throw but `status_of`.
struct PlanWork {
  // What step number `step` of the plan needs of its own. Whether it takes part in the pass, too.
  std::function<absl::StatusOr<bool>(size_t step)> prepare;
  // One for all that take part, at least one, in the order in which they were prepared.
  std::function<void()> pass;
  // What such a step takes from the pass; `place`: its number among those that took part.
  std::function<void(size_t step, size_t place)> finish;
  // Last of all, whatever took part.
  std::function<void()> settle;
  // What was thrown, as a status that is not OK.
  std::function<absl::Status(const std::exception& error)> status_of;
};

// Does it and returns how each of the plan's `steps` went. What goes wrong in `prepare` and `finish` is that step's
// alone: the others run as if it were not in the plan. What `pass` and `settle` throw is everybody's, since products
// are shared and nobody can tell whom it hit; a step that had failed before keeps its own reason.
std::vector<absl::Status> DoPlanWork(size_t steps, const PlanWork& work);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_PLAN_WORK_H_
