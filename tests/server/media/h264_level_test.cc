#include "server/media/h264_level.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

struct LevelCase {
  int width, height, frames_per_second, rate_factor;
  int number;
};

TEST(H264LevelTest, IsTheLowestThatAllowsPicturesAndRate) {
  for (const LevelCase& c : {
           LevelCase{160, 96, 16, 51, 10},   // 99 macroblocks and 1485 a second would do for it
           LevelCase{160, 96, 16, 20, 12},   // 342 kbit/s
           LevelCase{160, 96, 16, 1, 21},    // 3.1 Mbit/s: every sample as it is
           LevelCase{832, 480, 16, 51, 30},  // 24,960 macroblocks a second
           LevelCase{832, 480, 16, 20, 30},  // 8.9 Mbit/s
           LevelCase{832, 480, 16, 1, 50},   // 80 Mbit/s
           LevelCase{1920, 1080, 30, 40, 40}, LevelCase{1920, 1080, 60, 40, 42},
           LevelCase{2048, 16, 16, 51, 31},    // 128 macroblocks long: short of the root of 8 x 1620
           LevelCase{8192, 8192, 240, 1, 62},  // beyond all of them
       }) {
    const int64_t rate = H264RateBound(c.width, c.height, c.frames_per_second, c.rate_factor);
    EXPECT_EQ(ChooseH264Level(c.width, c.height, c.frames_per_second, rate).number, c.number)
        << c.width << "x" << c.height << " at " << c.frames_per_second << ", rate factor " << c.rate_factor;
  }
}

TEST(H264LevelTest, TheBoundHalvesWithEverySixStepsOfTheRateFactor) {
  EXPECT_EQ(H264RateBound(160, 96, 16, 1), 60 * 16 * 3200);
  EXPECT_EQ(H264RateBound(160, 96, 16, 7), 60 * 16 * 1600);
  EXPECT_EQ(H264RateBound(150, 90, 16, 7), 60 * 16 * 1600) << "of whole macroblocks";
}

}  // namespace
}  // namespace videodiffcr
