// A received video on one picture: frames side by side, each with its time.
#ifndef VIDEODIFFCR_MEDIA_CONTACT_SHEET_H_
#define VIDEODIFFCR_MEDIA_CONTACT_SHEET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "media/rgb_image.h"
#include "media/video_frames.h"

namespace videodiffcr {

struct ContactSheetOptions {
  int columns = 6;
  int max_frames = 24;                // spread evenly over the video, first and last included
  std::vector<std::string> captions;  // lines above the frames: prompts, as a rule
};

// `count` frame indices out of [0, frame_count), evenly spread, first and last included, each once; all when there are
// fewer.
std::vector<int64_t> SpreadFrames(int64_t frame_count, int count);

// Lays `frames` (at least one) out in rows, with their times and the captions drawn. The first one's size is that of
// all tiles; a larger frame is cut at the edge of the sheet.
RgbImage TileFrames(const std::vector<VideoFrame>& frames, const ContactSheetOptions& options);

// Reads the video at `video_path` and writes its contact sheet as a PNG to `png_path`. Errors of CountVideoFrames() and
// WritePng().
absl::Status WriteContactSheet(const std::string& video_path, const std::string& png_path,
                               const ContactSheetOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_CONTACT_SHEET_H_
