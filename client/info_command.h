// `videodiffcr info`.
#ifndef VIDEODIFFCR_CLIENT_INFO_COMMAND_H_
#define VIDEODIFFCR_CLIENT_INFO_COMMAND_H_

#include <string>

#include "command_line/program.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

Subcommand InfoSubcommand();

// What it prints.
std::string FormatServerInfo(const v1::GetServerInfoResponse& info);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_INFO_COMMAND_H_
