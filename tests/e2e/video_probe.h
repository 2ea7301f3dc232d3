// ffprobe and ffmpeg as judges of a video file.
#ifndef VIDEODIFFCR_TESTS_E2E_VIDEO_PROBE_H_
#define VIDEODIFFCR_TESTS_E2E_VIDEO_PROBE_H_

#include <string>

namespace videodiffcr {

// "codec,width,height,rate,frames" of the first video stream, frames counted by decoding: "h264,160,96,16/1,45".
std::string Probe(const std::string& path);

// What ffmpeg complains about while it decodes the whole file; empty for a sound one.
std::string DecodeErrors(const std::string& path);

// Frames ffprobe can decode.
int CountFrames(const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_E2E_VIDEO_PROBE_H_
