// `videodiffcr top`: a live view of one or more servers.
#ifndef VIDEODIFFCR_CLIENT_TOP_COMMAND_H_
#define VIDEODIFFCR_CLIENT_TOP_COMMAND_H_

#include "command_line/program.h"

namespace videodiffcr {

Subcommand TopSubcommand();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_TOP_COMMAND_H_
