#include "model/gpu/plan_work.h"

namespace videodiffcr::gpu {
namespace {

absl::Status Attempt(const PlanWork& work, const std::function<absl::Status()>& job) {
  try {
    return job();
  } catch (const std::exception& error) {
    return work.status_of(error);
  }
}

}  // namespace

std::vector<absl::Status> DoPlanWork(size_t steps, const PlanWork& work) {
  std::vector<absl::Status> statuses(steps);
  std::vector<size_t> taking_part;
  for (size_t step = 0; step < steps; ++step) {
    statuses[step] = Attempt(work, [&] {
      const absl::StatusOr<bool> takes_part = work.prepare(step);
      if (takes_part.ok() && *takes_part) taking_part.push_back(step);
      return takes_part.status();
    });
  }
  const absl::Status shared = Attempt(work, [&] {
    if (!taking_part.empty()) work.pass();
    for (size_t place = 0; place < taking_part.size(); ++place) {
      const size_t step = taking_part[place];
      statuses[step] = Attempt(work, [&] {
        work.finish(step, place);
        return absl::OkStatus();
      });
    }
    work.settle();
    return absl::OkStatus();
  });
  for (absl::Status& status : statuses) status.Update(shared);
  return statuses;
}

}  // namespace videodiffcr::gpu
