// `videodiffcr view`: the page, with a server and a gateway behind it.
#ifndef VIDEODIFFCR_CLIENT_VIEW_COMMAND_H_
#define VIDEODIFFCR_CLIENT_VIEW_COMMAND_H_

#include <string>

#include "command_line/program.h"

namespace videodiffcr {

Subcommand ViewSubcommand();

// The folder of the tiny model for programs in `program_folder`: of the source tree that they were built in, or of what
// they were installed with. Empty when there is none.
std::string FindTinyModel(const std::string& program_folder);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIEW_COMMAND_H_
