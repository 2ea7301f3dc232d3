#include "scheduler/flow_control.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

TEST(FlowControlTest, ChunkCreditsAreSpentByStartingChunks) {
  FlowControl flow(2, kUnlimitedCredits);
  flow.ChunkStarted();
  EXPECT_TRUE(flow.MayStartChunk(1));
  flow.ChunkStarted();
  EXPECT_FALSE(flow.MayStartChunk(0));
  EXPECT_STREQ(flow.BlockReason(), "out of chunk credits");
  flow.AddCredits(1, 0);
  EXPECT_TRUE(flow.MayStartChunk(0));
}

TEST(FlowControlTest, TheChunkThatCrossesTheByteLimitIsTheLastAndItsDebtIsPaidFirst) {
  FlowControl flow(kUnlimitedCredits, 100);
  flow.ChunkEncoded(60);
  EXPECT_TRUE(flow.MayStartChunk(0));
  flow.ChunkEncoded(60);
  EXPECT_STREQ(flow.BlockReason(), "out of byte credits");
  flow.AddCredits(0, 20);
  EXPECT_FALSE(flow.MayStartChunk(0));
  flow.AddCredits(0, 1);
  EXPECT_TRUE(flow.MayStartChunk(0));
}

TEST(FlowControlTest, WithByteCreditsNoChunkStartsWhileTheSizeOfAnEarlierOneIsUnknown) {
  EXPECT_FALSE(FlowControl(kUnlimitedCredits, 100).MayStartChunk(1));
  EXPECT_TRUE(FlowControl(kUnlimitedCredits, kUnlimitedCredits).MayStartChunk(1));
}

TEST(FlowControlTest, UnlimitedStaysUnlimitedWhateverIsSpentOrGranted) {
  FlowControl flow(kUnlimitedCredits, kUnlimitedCredits);
  flow.ChunkStarted();
  flow.ChunkEncoded(1'000'000);
  flow.AddCredits(1, 1);
  EXPECT_EQ(flow.chunk_credits(), kUnlimitedCredits);
  EXPECT_TRUE(flow.MayStartChunk(1)) << "byte credits that had become finite would ask for sizes";
}

TEST(FlowControlTest, ATransportThatTakesNoMoreBlocksUntilItTakesAgain) {
  FlowControl flow(kUnlimitedCredits, kUnlimitedCredits);
  flow.SetTransportBlocked(true);
  EXPECT_STREQ(flow.BlockReason(), "the connection takes no more bytes");
  flow.SetTransportBlocked(false);
  EXPECT_EQ(flow.BlockReason(), nullptr);
}

TEST(FlowControlTest, AHoldEndsByTheClockAndIsNotTheClients) {
  FlowControl flow(1, kUnlimitedCredits);
  const absl::Time until = absl::UnixEpoch() + absl::Seconds(10);
  flow.Hold({until, "not so fast"});
  EXPECT_STREQ(flow.BlockReason(), "not so fast");
  EXPECT_EQ(flow.ClientsBlockReason(), nullptr);
  flow.ChunkStarted();
  EXPECT_STREQ(flow.BlockReason(), "out of chunk credits") << "what the client can change comes first";
  flow.AddCredits(1, 0);
  EXPECT_FALSE(flow.EndHold(until - absl::Nanoseconds(1)));
  EXPECT_FALSE(flow.MayStartChunk(0));
  EXPECT_TRUE(flow.EndHold(until));
  EXPECT_TRUE(flow.MayStartChunk(0));
  EXPECT_FALSE(flow.EndHold(until)) << "there is none any more";
}

TEST(FlowControlTest, HugeGrantsAddUpWithoutOverflowOrBecomingUnlimited) {
  FlowControl flow(1, 1);
  flow.AddCredits(kUnlimitedCredits, kUnlimitedCredits);
  flow.AddCredits(kUnlimitedCredits, kUnlimitedCredits);
  EXPECT_EQ(flow.chunk_credits(), kUnlimitedCredits - 1);
  flow.ChunkStarted();
  EXPECT_EQ(flow.chunk_credits(), kUnlimitedCredits - 2);
}

}  // namespace
}  // namespace videodiffcr
