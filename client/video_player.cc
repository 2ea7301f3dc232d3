#include "client/video_player.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "system/wrong_usage.h"

namespace videodiffcr {

absl::StatusOr<std::unique_ptr<VideoPlayer>> VideoPlayer::Start() {
  const char* other = std::getenv("VIDEODIFFCR_PLAYER");
  const std::vector<std::string> words =
      other == nullptr ? std::vector<std::string>{"ffplay",        "-loglevel",   "error", "-autoexit",
                                                  "-window_title", "VideoDiffCR", "-i",    "-"}
                       : std::vector<std::string>(absl::StrSplit(other, ' ', absl::SkipEmpty()));
  if (words.empty()) return WrongUsageError("VIDEODIFFCR_PLAYER names no program");
  int pipe = -1;
  absl::StatusOr<std::unique_ptr<ChildProcess>> process = ChildProcess::Start(words, {.stdin_pipe = &pipe});
  if (!process.ok()) {
    return absl::NotFoundError(absl::StrCat(process.status().message(),
                                            "; install it (Debian: ffmpeg), or name another player, which reads its "
                                            "standard input, with VIDEODIFFCR_PLAYER=\"mpv -\""));
  }
  return std::unique_ptr<VideoPlayer>(new VideoPlayer(*std::move(process), pipe));
}

VideoPlayer::~VideoPlayer() {
  ClosePipe();
  process_->Wait();
}

void VideoPlayer::Write(std::string_view bytes) {
  while (pipe_ >= 0 && !bytes.empty()) {
    const ssize_t count = write(pipe_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      ClosePipe();  // whoever closed the player has seen enough
    }
  }
}

void VideoPlayer::ClosePipe() {
  const int pipe = std::exchange(pipe_, -1);
  if (pipe >= 0) close(pipe);
}

}  // namespace videodiffcr
