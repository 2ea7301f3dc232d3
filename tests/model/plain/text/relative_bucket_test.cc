#include "model/plain/text/relative_bucket.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace videodiffcr {
namespace {

// {first distance, bucket}, umt5_text_encoder.md section 4.
const std::vector<std::pair<int64_t, int64_t>> kBounds = {{8, 8},   {12, 9},  {16, 10}, {23, 11},
                                                          {32, 12}, {46, 13}, {64, 14}, {91, 15}};

TEST(RelativeBucket, GivesEveryShortDistanceItsOwn) {
  for (int64_t distance = 0; distance < 8; ++distance) EXPECT_EQ(RelativeBucket(-distance, 32, 128), distance);
}

TEST(RelativeBucket, ChangesExactlyAtTheReferenceBounds) {
  for (const auto& [distance, bucket] : kBounds) {
    EXPECT_EQ(RelativeBucket(-distance, 32, 128), bucket) << distance;
    EXPECT_EQ(RelativeBucket(-(distance - 1), 32, 128), bucket - 1) << distance;
  }
}

TEST(RelativeBucket, PutsEveryFarDistanceIntoTheLast) {
  EXPECT_EQ(RelativeBucket(-128, 32, 128), 15);
  EXPECT_EQ(RelativeBucket(-511, 32, 128), 15);
}

TEST(RelativeBucket, GivesKeysToTheRightTheSecondHalf) {
  EXPECT_EQ(RelativeBucket(0, 32, 128), 0);
  EXPECT_EQ(RelativeBucket(1, 32, 128), 17);
  EXPECT_EQ(RelativeBucket(91, 32, 128), 31);
}

}  // namespace
}  // namespace videodiffcr
