#include "client/video_output.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<VideoOutput> VideoOutput::Open(const std::string& path) {
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot write ", path, " (", std::strerror(errno), "): name another file with --output"));
  }
  return VideoOutput(path == "-" ? "standard output" : path, file);
}

absl::Status VideoOutput::Write(const std::string& bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() || std::fflush(file_.get()) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot write on to ", path_, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
