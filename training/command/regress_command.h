// videodiffcr-train regress: what a router can know, and so what another kind of router could gain at most.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_REGRESS_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_REGRESS_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr::training {

Subcommand RegressSubcommand();

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_REGRESS_COMMAND_H_
