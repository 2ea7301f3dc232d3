// videodiffcr-train STAGE: one subcommand per stage, the same flags for all but a few.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_TRAIN_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_TRAIN_COMMAND_H_

#include <vector>

#include "command_line/program.h"

namespace videodiffcr::training {

// In the order in which tiny is trained.
std::vector<Subcommand> StageSubcommands();

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_TRAIN_COMMAND_H_
