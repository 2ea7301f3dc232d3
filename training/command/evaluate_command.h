// videodiffcr-train evaluate: the figures of docs/models.md.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr::training {

Subcommand EvaluateSubcommand();

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_COMMAND_H_
