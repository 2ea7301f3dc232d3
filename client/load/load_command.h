// `videodiffcr load`: many viewers of many kinds on one server, and what they saw.
#ifndef VIDEODIFFCR_CLIENT_LOAD_LOAD_COMMAND_H_
#define VIDEODIFFCR_CLIENT_LOAD_LOAD_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr {

Subcommand LoadSubcommand();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_LOAD_COMMAND_H_
