// What a router can know: how much of a dense block's update, token by token, follows from what it may look at.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_ROUTER_REGRESSION_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_ROUTER_REGRESSION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {

struct RouterKnowledge {
  std::string what;               // "token", "token and chunk", ...
  std::vector<double> explained;  // by block, of the variance of what routers are taught, on clips held out of the fit
};

// By least squares on `clips` dense rollouts of drawn captions, and as many others to measure: from the token as it
// enters the block; with the mean of its place over the chunk's frames, as temporal mixing has it; with its place in
// the last frame of the chunk before, as its context pass saw it (videodiffcr.md section 9, 1); with both.
absl::StatusOr<std::vector<RouterKnowledge>> MeasureRouterKnowledge(const TrainingModel& model, uint64_t seed,
                                                                    int64_t clips);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_ROUTER_REGRESSION_H_
