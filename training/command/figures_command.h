// videodiffcr-train figures: what a model's routers and retention tables do, as pictures.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_FIGURES_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_FIGURES_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace videodiffcr::training {

std::string FiguresHelp();
absl::Status RunFigures(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_FIGURES_COMMAND_H_
