#include "tests/e2e/video_probe.h"

#include <cstdlib>

#include "tests/e2e/process.h"

namespace videodiffcr {

std::string Probe(const std::string& path) {
  std::string text = RunProgram({"ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries",
                                 "stream=codec_name,width,height,r_frame_rate,nb_read_frames", "-of", "csv=p=0", path})
                         .output;
  return text.substr(0, text.find('\n'));
}

std::string DecodeErrors(const std::string& path) {
  return RunProgram({"ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", path, "-f", "null", "-"}).output;
}

int CountFrames(const std::string& path) {
  const std::string probe = Probe(path);
  return std::atoi(probe.substr(probe.rfind(',') + 1).c_str());
}

}  // namespace videodiffcr
