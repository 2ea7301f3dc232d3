#include "scheduler/playout_clock.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
absl::Duration ChunkStart(int chunk) { return absl::Milliseconds(750) * chunk; }

TEST(PlayoutClockTest, NoChunkIsDueBeforeTheFirstDeliveryStartsTheClock) {
  PlayoutClock clock(absl::Seconds(1), 0);
  EXPECT_EQ(clock.DueAt(ChunkStart(1)), std::nullopt);
}

TEST(PlayoutClockTest, AChunkIsDueWhenItWouldStartToPlayBehindTheStartBuffer) {
  PlayoutClock clock(absl::Seconds(1), 0);
  clock.Delivered(ChunkStart(0), kStart);
  EXPECT_EQ(clock.DueAt(ChunkStart(2)), kStart + absl::Seconds(1) + absl::Milliseconds(1500));
  clock.Delivered(ChunkStart(1), kStart + absl::Hours(1));  // a late chunk moves nothing
  EXPECT_EQ(clock.DueAt(ChunkStart(2)), kStart + absl::Seconds(1) + absl::Milliseconds(1500));
}

TEST(PlayoutClockTest, APauseMovesWhatIsDueByItsLength) {
  PlayoutClock clock(absl::ZeroDuration(), 0);
  clock.Delivered(ChunkStart(0), kStart);
  clock.Pause(kStart + absl::Seconds(1));
  clock.Unpause(kStart + absl::Seconds(6));
  EXPECT_EQ(clock.DueAt(ChunkStart(1)), kStart + absl::Seconds(5) + ChunkStart(1));
}

TEST(PlayoutClockTest, AFirstChunkThatIsDeliveredInAPauseBeginsToPlayBehindIt) {
  PlayoutClock clock(absl::Seconds(1), 0);
  clock.Pause(kStart);
  clock.Delivered(ChunkStart(0), kStart + absl::Seconds(4));
  clock.Unpause(kStart + absl::Seconds(10));
  EXPECT_EQ(clock.DueAt(ChunkStart(0)), kStart + absl::Seconds(11));
}

// The viewer has not seen what was ahead of it when it paused: it is ahead of it still.
TEST(PlayoutClockTest, ChunksDoNotPlayWhileTheViewerHasPaused) {
  PlayoutClock clock(absl::ZeroDuration(), 2);
  clock.ChunkStarted(ChunkStart(0), kStart);
  clock.Delivered(ChunkStart(0), kStart);
  clock.ChunkStarted(ChunkStart(1), kStart);
  clock.ChunkStarted(ChunkStart(2), kStart);
  ASSERT_NE(clock.StartAllowedAt(kStart), std::nullopt);
  clock.Pause(kStart);
  EXPECT_EQ(clock.StartAllowedAt(kStart + absl::Minutes(1)), absl::InfiniteFuture()) << "no clock ends a pause";
  clock.Unpause(kStart + absl::Minutes(1));
  EXPECT_EQ(clock.StartAllowedAt(kStart + absl::Minutes(1)), kStart + absl::Minutes(1) + ChunkStart(1));
}

TEST(PlayoutClockTest, AfterARestartTheNextDeliveryStartsTheClockAsTheFirstDid) {
  PlayoutClock clock(absl::Seconds(1), 0);
  clock.Delivered(ChunkStart(0), kStart);
  clock.Restart();
  EXPECT_EQ(clock.DueAt(ChunkStart(4)), std::nullopt);
  clock.Delivered(ChunkStart(4), kStart + absl::Seconds(60));
  EXPECT_EQ(clock.DueAt(ChunkStart(5)), kStart + absl::Seconds(61) + ChunkStart(1));
}

TEST(PlayoutClockTest, WithoutALimitAChunkMayAlwaysStart) {
  PlayoutClock clock(absl::ZeroDuration(), 0);
  for (int chunk = 0; chunk < 1000; ++chunk) clock.ChunkStarted(ChunkStart(chunk), kStart);
  EXPECT_EQ(clock.StartAllowedAt(kStart), std::nullopt);
}

TEST(PlayoutClockTest, AtTheRunAheadLimitTheNextChunkMayStartWhenTheOldestStartsToPlay) {
  PlayoutClock clock(absl::Seconds(1), 2);
  clock.ChunkStarted(ChunkStart(0), kStart);
  EXPECT_EQ(clock.StartAllowedAt(kStart), std::nullopt);
  clock.ChunkStarted(ChunkStart(1), kStart);
  EXPECT_EQ(clock.StartAllowedAt(kStart), absl::InfiniteFuture());  // the clock does not run yet
  clock.Delivered(ChunkStart(0), kStart);
  EXPECT_EQ(clock.StartAllowedAt(kStart), kStart + absl::Seconds(1));
  EXPECT_EQ(clock.StartAllowedAt(kStart + absl::Seconds(1)), std::nullopt);
  clock.ChunkStarted(ChunkStart(2), kStart + absl::Seconds(1));
  EXPECT_EQ(clock.StartAllowedAt(kStart + absl::Seconds(1)), kStart + absl::Seconds(1) + ChunkStart(1));
}

// Otherwise nothing could ever be delivered that starts the clock.
TEST(PlayoutClockTest, ARestartLeavesRoomUnderTheRunAheadLimit) {
  PlayoutClock clock(absl::ZeroDuration(), 1);
  clock.ChunkStarted(ChunkStart(0), kStart);
  clock.Delivered(ChunkStart(0), kStart);
  clock.Restart();
  EXPECT_EQ(clock.StartAllowedAt(kStart), std::nullopt);
}

// Of chunks 0 to 3, made by a server that is gone, the viewer is at the end of chunk 1.
TEST(PlayoutClockTest, ChunksThatWereMadeElsewhereCountAsAheadUntilTheyStartToPlay) {
  PlayoutClock clock(absl::ZeroDuration(), 3);
  clock.Start(ChunkStart(4), /*due=*/kStart + ChunkStart(2) + absl::Milliseconds(1), ChunkStart(1), kStart);
  EXPECT_EQ(clock.DueAt(ChunkStart(4)), kStart + ChunkStart(2) + absl::Milliseconds(1));
  EXPECT_EQ(clock.StartAllowedAt(kStart), std::nullopt);
  clock.ChunkStarted(ChunkStart(4), kStart);
  EXPECT_EQ(clock.StartAllowedAt(kStart), kStart + absl::Milliseconds(1)) << "when chunk 2 starts to play";
}

TEST(PlayoutClockTest, NoMoreChunksThatWereMadeElsewhereAreAheadThanTheLimitAllowsNorThanThereAre) {
  PlayoutClock small_limit(absl::ZeroDuration(), 1);
  small_limit.Start(ChunkStart(4), kStart + ChunkStart(3), ChunkStart(1), kStart);
  EXPECT_EQ(small_limit.StartAllowedAt(kStart), kStart + ChunkStart(2)) << "when chunk 3 starts to play";
  PlayoutClock short_video(absl::ZeroDuration(), 3);
  short_video.Start(ChunkStart(1), kStart + absl::Hours(1), ChunkStart(1), kStart);
  short_video.ChunkStarted(ChunkStart(1), kStart);
  EXPECT_EQ(short_video.StartAllowedAt(kStart), std::nullopt);
  PlayoutClock no_limit(absl::ZeroDuration(), 0);
  no_limit.Start(ChunkStart(4), kStart + absl::Hours(1), ChunkStart(1), kStart);
  EXPECT_EQ(no_limit.StartAllowedAt(kStart), std::nullopt);
}

}  // namespace
}  // namespace videodiffcr
