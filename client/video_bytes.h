// The video that the messages of one VideoCall make, byte for byte.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_BYTES_H_
#define VIDEODIFFCR_CLIENT_VIDEO_BYTES_H_

#include <cstddef>
#include <optional>
#include <string>

#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// One thread.
class VideoBytes {
 public:
  // What a message adds to the video: a first fragment all of its bytes, the chunk that it was taken from the others.
  // Empty for a message without frames. To be asked for each message that VideoCall::Next() returns, in their order:
  // that has checked that the chunk begins with the fragment.
  std::string Of(const v1::StreamVideoResponse& response);

 private:
  std::optional<size_t> early_;  // of chunk 0's payload, while it is awaited; its init segment has come along
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_BYTES_H_
