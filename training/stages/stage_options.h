// What every stage is told.
#ifndef VIDEODIFFCR_TRAINING_STAGES_STAGE_OPTIONS_H_
#define VIDEODIFFCR_TRAINING_STAGES_STAGE_OPTIONS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

struct StageOptions {
  std::string model = "models/tiny";  // folder with what this stage builds on
  std::string output;                 // model folder that gets the result; what it lacks is copied from `model`
  std::string device = "cpu";
  uint64_t seed = 1;
  int64_t steps = 0;
  int64_t batch = 0;  // clips per step
  double learning_rate = 0;

  // What a checkpoint can only be gone on with unchanged.
  std::map<std::string, std::string> Settings() const {
    return {{"seed", absl::StrCat(seed)},
            {"steps", absl::StrCat(steps)},
            {"batch", absl::StrCat(batch)},
            {"learning rate", absl::StrCat(learning_rate)}};
  }
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_STAGE_OPTIONS_H_
