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
  flow.SetTransportRoom(0);
  EXPECT_STREQ(flow.BlockReason(), "the connection takes no more bytes");
  flow.SetTransportRoom(4);
  EXPECT_EQ(flow.BlockReason(), nullptr);
}

TEST(FlowControlTest, ChunksInTheMakingCountAgainstTheTransportsRoom) {
  struct Row {
    int room, in_the_making;
    bool may_start;
  };
  // The session is blocked where there is no room at all; where what is in the making will fill it, it has work to do.
  for (const Row& row : {Row{4, 0, true}, Row{4, 2, true}, Row{3, 2, true}, Row{2, 2, false}, Row{2, 1, true},
                         Row{1, 1, false}, Row{1, 0, true}, Row{1, 2, false}, Row{0, 0, false}, Row{0, 2, false}}) {
    FlowControl flow(kUnlimitedCredits, kUnlimitedCredits);
    flow.SetTransportRoom(row.room);
    EXPECT_EQ(flow.MayStartChunk(row.in_the_making), row.may_start) << row.room << " " << row.in_the_making;
    EXPECT_EQ(flow.BlockReason() != nullptr, row.room == 0);
  }
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
