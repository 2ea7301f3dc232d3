// Frames out of a video file, through libavformat and libavcodec.
#ifndef VIDEODIFFCR_MEDIA_VIDEO_FRAMES_H_
#define VIDEODIFFCR_MEDIA_VIDEO_FRAMES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "media/rgb_image.h"

namespace videodiffcr {

struct VideoFrame {
  RgbImage image;
  double seconds = 0;  // presentation time in the video
};

// Both take `path` as the name of a file and nothing else, whatever it looks like, and read MP4. NotFound when there is
// no such file, DataLoss when it cannot be read as video, ResourceExhausted when there is no memory for it. Both decode
// no frame of more than 2^25 pixels.

// Frames of the first video stream, counted without decoding.
absl::StatusOr<int64_t> CountVideoFrames(const std::string& path);

// Decodes the frames with the given indices (rising, from 0), scaled down to at most `max_width` pixels wide, aspect
// kept: all of one size. Indices past the end are left out. DataLoss also when a frame up to the last of them has
// another size than the first, or more than 8192 pixels on a side.
absl::StatusOr<std::vector<VideoFrame>> ReadVideoFrames(const std::string& path, const std::vector<int64_t>& indices,
                                                        int max_width);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_VIDEO_FRAMES_H_
