#include "client/video_player.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(20);

// How long a player that is to stop may take for it.
constexpr absl::Duration kGrace = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<VideoPlayer>> VideoPlayer::Start(Interrupted interrupted) {
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
  return std::unique_ptr<VideoPlayer>(new VideoPlayer(*std::move(process), pipe, std::move(interrupted)));
}

VideoPlayer::~VideoPlayer() {
  ClosePipe();
  while (!process_->exit_status().has_value() && !interrupted_()) absl::SleepFor(kLookInterval);
  (void)process_->Stop(kGrace);
}

void VideoPlayer::Write(std::string_view bytes) {
  while (!bytes.empty() && WaitForRoom()) {
    const ssize_t count = write(pipe_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      ClosePipe();  // whoever closed the player has seen enough
    }
  }
}

// A pipe that says it has room takes as much as PIPE_BUF without a wait, in which nobody would ask for interruptions.
bool VideoPlayer::WaitForRoom() {
  while (pipe_ >= 0 && !interrupted_()) {
    pollfd room = {pipe_, POLLOUT, 0};
    if (poll(&room, 1, static_cast<int>(absl::ToInt64Milliseconds(kLookInterval))) > 0) return true;
  }
  return false;
}

void VideoPlayer::ClosePipe() {
  const int pipe = std::exchange(pipe_, -1);
  if (pipe >= 0) close(pipe);
}

}  // namespace videodiffcr
