// Where a video goes as it arrives: a file, or standard output.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_OUTPUT_H_
#define VIDEODIFFCR_CLIENT_VIDEO_OUTPUT_H_

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr {

class VideoOutput {
 public:
  // Replaces the file at `path`; "-" is standard output. PermissionDenied when it cannot be written.
  static absl::StatusOr<VideoOutput> Open(const std::string& path);

  // Hands the bytes to the system before it returns, so that the file is whole up to here whatever happens next.
  absl::Status Write(const std::string& bytes);

 private:
  struct Closer {
    void operator()(std::FILE* file) const {
      if (file != stdout) {
        std::fclose(file);
      }
    }
  };

  VideoOutput(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_OUTPUT_H_
