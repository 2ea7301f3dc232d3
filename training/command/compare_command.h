// videodiffcr-train compare: models that evaluate judged, clip against clip.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_COMPARE_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_COMPARE_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr::training {

Subcommand CompareSubcommand();

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_COMPARE_COMMAND_H_
