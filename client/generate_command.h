// `videodiffcr generate`.
#ifndef VIDEODIFFCR_CLIENT_GENERATE_COMMAND_H_
#define VIDEODIFFCR_CLIENT_GENERATE_COMMAND_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace videodiffcr {

// Generates one video as the arguments say. Cancelled after Ctrl-C, when what had arrived has been written.
absl::Status RunGenerate(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_GENERATE_COMMAND_H_
