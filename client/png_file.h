// Writes an image as a PNG file, through libavcodec's encoder.
#ifndef VIDEODIFFCR_CLIENT_PNG_FILE_H_
#define VIDEODIFFCR_CLIENT_PNG_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "client/rgb_image.h"

namespace videodiffcr {

// Replaces `path`. PermissionDenied when it cannot be written, Internal when libavcodec fails.
absl::Status WritePng(const RgbImage& image, const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_PNG_FILE_H_
