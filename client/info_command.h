// `videodiffcr info`.
#ifndef VIDEODIFFCR_CLIENT_INFO_COMMAND_H_
#define VIDEODIFFCR_CLIENT_INFO_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

std::string InfoHelp();

// Prints what the server can do.
absl::Status RunInfo(const std::vector<std::string_view>& arguments);

// What RunInfo() prints.
std::string FormatServerInfo(const v1::GetServerInfoResponse& info);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_INFO_COMMAND_H_
