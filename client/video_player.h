// A player that is fed a video while it is made.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_PLAYER_H_
#define VIDEODIFFCR_CLIENT_VIDEO_PLAYER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "client/child_process.h"

namespace videodiffcr {

// One thread at a time. It runs ffplay, or what VIDEODIFFCR_PLAYER names instead: words, with "-" for the video last.
class VideoPlayer {
 public:
  // Whether nobody wants to see any more of it; asked while the player is waited for.
  using Interrupted = std::function<bool()>;

  // NotFound, with what to do, when there is no such program.
  static absl::StatusOr<std::unique_ptr<VideoPlayer>> Start(Interrupted interrupted);
  // The video has ended: waits until the player has shown it all or is closed, or stops it when it is interrupted.
  ~VideoPlayer();

  // Waits while the player has enough, so that generation follows playing. A player that was closed takes nothing more,
  // nor does one that is interrupted.
  void Write(std::string_view bytes);

 private:
  VideoPlayer(std::unique_ptr<ChildProcess> process, int pipe, Interrupted interrupted)
      : process_(std::move(process)), interrupted_(std::move(interrupted)), pipe_(pipe) {}
  // False once there is nobody to take anything.
  bool WaitForRoom();
  void ClosePipe();

  const std::unique_ptr<ChildProcess> process_;
  const Interrupted interrupted_;
  int pipe_;  // -1: closed
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_PLAYER_H_
