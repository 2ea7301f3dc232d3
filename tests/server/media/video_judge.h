// Ffprobe and ffmpeg as judges of our bytes: programs that others wrote and players agree with.
#ifndef VIDEODIFFCR_TESTS_SERVER_MEDIA_VIDEO_JUDGE_H_
#define VIDEODIFFCR_TESTS_SERVER_MEDIA_VIDEO_JUDGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/api/frame_chunk.h"

namespace videodiffcr {

struct JudgedFrame {
  bool keyframe = false;
  std::string picture_type;  // "I", "P", "B"
  double time_seconds = 0;   // presentation time; 0 where the container has none
  int width = 0;
  int height = 0;
  int64_t bytes = 0;  // of the packet
};

struct JudgedVideo {
  std::string codec;         // "h264"
  std::string pixel_format;  // "yuv420p"
  std::string color_space;   // "smpte170m"
  std::string color_range;   // "tv"
  std::string frame_rate;    // "16/1"
  int level = 0;             // of H.264: 31 is level 3.1
  std::vector<JudgedFrame> frames;
};

// Decodes `file_bytes` as ffprobe does. `extension` ("mp4", "h264") names the format. What ffprobe complains about
// fails the test that is running; the answer is empty then.
JudgedVideo ProbeVideo(const std::string& file_bytes, const std::string& extension);

// Every frame of `file_bytes` as RGB24, one behind the other.
std::string DecodeToRgb(const std::string& file_bytes, const std::string& extension);

// `frame_count` frames of a pattern that moves and changes colour, as frame `first_frame` and on of one endless video.
FrameChunk MovingPattern(int width, int height, int frame_count, int64_t first_frame,
                         PixelFormat format = PixelFormat::kRgb24);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SERVER_MEDIA_VIDEO_JUDGE_H_
