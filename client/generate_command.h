// `videodiffcr generate`: asks a server for a video and writes it as it arrives.
#ifndef VIDEODIFFCR_CLIENT_GENERATE_COMMAND_H_
#define VIDEODIFFCR_CLIENT_GENERATE_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr {

Subcommand GenerateSubcommand();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_GENERATE_COMMAND_H_
