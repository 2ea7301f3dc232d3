#include "server/rpc/token_bucket.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

TEST(TokenBucketTest, AllowsTheBurstAtOnceAndNoMore) {
  const absl::Time start = absl::UnixEpoch();
  TokenBucket bucket(20, 3, start);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.Take(start));
  EXPECT_FALSE(bucket.Take(start));
}

TEST(TokenBucketTest, FillsAtItsRateUpToTheBurst) {
  absl::Time now = absl::UnixEpoch();
  TokenBucket bucket(20, 2, now);
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_TRUE(bucket.Take(now));
  now += absl::Milliseconds(49);
  EXPECT_FALSE(bucket.Take(now));
  now += absl::Milliseconds(2);
  EXPECT_TRUE(bucket.Take(now));
  now += absl::Hours(1);
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_FALSE(bucket.Take(now)) << "an hour of silence gives no more than the burst";
}

TEST(TokenBucketTest, AClockThatStepsBackGivesNothing) {
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  TokenBucket bucket(1, 1, now);
  EXPECT_TRUE(bucket.Take(now));
  EXPECT_FALSE(bucket.Take(now - absl::Minutes(30)));
}

}  // namespace
}  // namespace videodiffcr
