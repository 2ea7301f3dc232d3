#include "system/range_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace videodiffcr {
namespace {

TEST(RangeCheckTest, BothEndsAreInTheRange) {
  EXPECT_EQ(CheckRange("field", 1, 1, 3), absl::OkStatus());
  EXPECT_EQ(CheckRange("field", 3, 1, 3), absl::OkStatus());
  EXPECT_EQ(CheckRange("field", 0.5, 0.5, 0.75), absl::OkStatus());
  EXPECT_EQ(CheckRange("field", 0.75, 0.5, 0.75), absl::OkStatus());
  EXPECT_EQ(CheckRange("field", absl::Seconds(1), absl::Seconds(1), absl::Hours(1)), absl::OkStatus());
  EXPECT_EQ(CheckRange("field", absl::Hours(1), absl::Seconds(1), absl::Hours(1)), absl::OkStatus());
}

TEST(RangeCheckTest, AWholeNumberOutOfRangeIsSaidWithAllItsDigits) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(CheckRange("max_bytes", int64_t{67108865}, 1024, 64 << 20),
            absl::InvalidArgumentError("max_bytes is 67108865; it must be from 1024 to 67108864"));
  EXPECT_EQ(CheckRange("max_bytes", 67108865, 1024, 64 << 20),
            absl::InvalidArgumentError("max_bytes is 67108865; it must be from 1024 to 67108864"));
  // A double could not tell these two.
  EXPECT_EQ(CheckRange("max_bytes", kMost, 0, kMost - 1),
            absl::InvalidArgumentError("max_bytes is 9223372036854775807; it must be from 0 to 9223372036854775806"));
}

TEST(RangeCheckTest, ANumberOutOfRangeIsSaidAsOneWouldWriteIt) {
  EXPECT_EQ(CheckRange("rate", 1000000.5, 0.01, 1e6),
            absl::InvalidArgumentError("rate is 1000000.5; it must be from 0.01 to 1000000"));
  EXPECT_EQ(CheckRange("rate", HUGE_VAL, 0.01, 1e6).message(), "rate is inf; it must be from 0.01 to 1000000");
}

TEST(RangeCheckTest, WhatIsNoNumberIsInNoRange) {
  EXPECT_EQ(CheckRange("rate", std::nan(""), -HUGE_VAL, HUGE_VAL).message(),
            "rate is nan; it must be from -inf to inf");
}

TEST(RangeCheckTest, ADurationOutOfRangeIsSaidWithItsUnit) {
  EXPECT_EQ(CheckRange("timeout", absl::Microseconds(500), absl::Milliseconds(1), absl::Hours(24)),
            absl::InvalidArgumentError("timeout is 500us; it must be from 1ms to 24h"));
  EXPECT_EQ(CheckRange("timeout", absl::InfiniteDuration(), absl::ZeroDuration(), absl::Seconds(90)).message(),
            "timeout is inf; it must be from 0 to 1m30s");
}

}  // namespace
}  // namespace videodiffcr
