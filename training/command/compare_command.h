// videodiffcr-train compare: models that evaluate judged, clip against clip.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_COMPARE_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_COMPARE_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace videodiffcr::training {

std::string CompareHelp();
absl::Status RunCompare(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_COMPARE_COMMAND_H_
