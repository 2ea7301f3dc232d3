// videodiffcr-train evaluate: the figures of docs/models.md.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace videodiffcr::training {

std::string EvaluateHelp();
absl::Status RunEvaluate(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_COMMAND_H_
