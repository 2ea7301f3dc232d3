// videodiffcr-train figures: what a model's routers and retention tables do, as pictures.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_FIGURES_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_FIGURES_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr::training {

Subcommand FiguresSubcommand();

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_FIGURES_COMMAND_H_
