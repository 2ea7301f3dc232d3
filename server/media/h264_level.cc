#include "server/media/h264_level.h"

#include <cmath>
#include <iterator>

namespace videodiffcr {
namespace {

// Without 1b, whose number is not its own in every profile.
constexpr H264Level kLevels[] = {
    {10, 1'485, 99, 64'000, 175'000},
    {11, 3'000, 396, 192'000, 500'000},
    {12, 6'000, 396, 384'000, 1'000'000},
    {13, 11'880, 396, 768'000, 2'000'000},
    {20, 11'880, 396, 2'000'000, 2'000'000},
    {21, 19'800, 792, 4'000'000, 4'000'000},
    {22, 20'250, 1'620, 4'000'000, 4'000'000},
    {30, 40'500, 1'620, 10'000'000, 10'000'000},
    {31, 108'000, 3'600, 14'000'000, 14'000'000},
    {32, 216'000, 5'120, 20'000'000, 20'000'000},
    {40, 245'760, 8'192, 20'000'000, 25'000'000},
    {41, 245'760, 8'192, 50'000'000, 62'500'000},
    {42, 522'240, 8'704, 50'000'000, 62'500'000},
    {50, 589'824, 22'080, 135'000'000, 135'000'000},
    {51, 983'040, 36'864, 240'000'000, 240'000'000},
    {52, 2'073'600, 36'864, 240'000'000, 240'000'000},
    {60, 4'177'920, 139'264, 240'000'000, 240'000'000},
    {61, 8'355'840, 139'264, 480'000'000, 480'000'000},
    {62, 16'711'680, 139'264, 800'000'000, 800'000'000},
};

// No macroblock of 4:2:0 with 8 bits takes more (section A.3.1): 16 x 16 samples and half as many of colour, as they
// are, and 128 bits.
constexpr int64_t kMaxMacroblockBits = 3200;

int Macroblocks(int pixels) { return (pixels + 15) / 16; }

}  // namespace

int64_t H264RateBound(int width, int height, int frames_per_second, int rate_factor) {
  const int64_t most = int64_t{Macroblocks(width)} * Macroblocks(height) * frames_per_second * kMaxMacroblockBits;
  return std::llround(static_cast<double>(most) * std::exp2((1 - rate_factor) / 6.0));
}

H264Level ChooseH264Level(int width, int height, int frames_per_second, int64_t bits_per_second) {
  const int64_t columns = Macroblocks(width);
  const int64_t rows = Macroblocks(height);
  for (const H264Level& level : kLevels) {
    const int64_t longest_squared = int64_t{8} * level.max_frame_macroblocks;
    if (columns * rows <= level.max_frame_macroblocks && columns * columns <= longest_squared &&
        rows * rows <= longest_squared && columns * rows * frames_per_second <= level.max_macroblocks_per_second &&
        bits_per_second <= level.max_bits_per_second) {
      return level;
    }
  }
  return kLevels[std::size(kLevels) - 1];
}

}  // namespace videodiffcr
