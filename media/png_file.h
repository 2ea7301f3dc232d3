// Writes an image as a PNG file, through libavcodec's encoder.
#ifndef VIDEODIFFCR_MEDIA_PNG_FILE_H_
#define VIDEODIFFCR_MEDIA_PNG_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "media/rgb_image.h"

namespace videodiffcr {

// Replaces `path`. PermissionDenied when it cannot be written, on a full disk too: half a picture is taken away again.
// An AvStatus() when FFmpeg fails.
absl::Status WritePng(const RgbImage& image, const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_PNG_FILE_H_
