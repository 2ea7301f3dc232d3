// Prompts from a file, one a line.
#ifndef VIDEODIFFCR_CLIENT_PROMPTS_FILE_H_
#define VIDEODIFFCR_CLIENT_PROMPTS_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace videodiffcr {

// Lines that are empty or begin with # are passed over. NotFound, with what to do, when it cannot be read;
// InvalidArgument when it holds no prompt, more than 1000, or a line of more than 64 KiB.
absl::StatusOr<std::vector<std::string>> ReadPrompts(const std::string& path);

// The file of prompt `number`, from 1 on, of `count`: "video.mp4" becomes "video-03.mp4" when there are 10 or more.
std::string NumberedPath(const std::string& path, size_t number, size_t count);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_PROMPTS_FILE_H_
