// An image in memory, 8 bits per channel.
#ifndef VIDEODIFFCR_MEDIA_RGB_IMAGE_H_
#define VIDEODIFFCR_MEDIA_RGB_IMAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace videodiffcr {

using RgbColor = std::array<uint8_t, 3>;

struct RgbImage {
  int width = 0;                // pixels
  int height = 0;               // pixels
  std::vector<uint8_t> pixels;  // [height, width, 3]

  static RgbImage Filled(int width, int height, RgbColor color) {
    RgbImage image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
    for (size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] = color[i % 3];
    }
    return image;
  }

  // The pixel's three bytes; (x, y) must lie inside.
  uint8_t* at(int x, int y) { return &pixels[(static_cast<size_t>(y) * width + x) * 3]; }
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_RGB_IMAGE_H_
