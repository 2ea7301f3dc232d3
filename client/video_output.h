// Where a video goes as it arrives: a file, or standard output.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_OUTPUT_H_
#define VIDEODIFFCR_CLIENT_VIDEO_OUTPUT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr {

class VideoOutput {
 public:
  // Replaces the file at `path`; "-" is standard output. The system's reason when it cannot be written.
  static absl::StatusOr<VideoOutput> Open(const std::string& path);

  VideoOutput(VideoOutput&& other) noexcept;
  VideoOutput& operator=(VideoOutput&&) = delete;
  ~VideoOutput();

  // Hands the bytes to the system before it returns, so that the file is whole up to here whatever happens next. All or
  // nothing: a file that does not take them all is cut back to where it ended before. ResourceExhausted with the
  // system's reason then.
  absl::Status Write(std::string_view bytes);

  // To be called after the last Write(): some file systems tell only now that bytes were lost.
  absl::Status Close();

 private:
  VideoOutput(std::string name, int descriptor) : name_(std::move(name)), descriptor_(descriptor) {}

  // Takes the last `bytes` bytes away again; what is no regular file keeps them.
  void CutBack(size_t bytes) const;
  absl::Status Failure(int error) const;

  std::string name_;
  int descriptor_;  // -1: closed
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_OUTPUT_H_
