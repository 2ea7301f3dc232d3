#include "scheduler/session_outbox.h"

#include <gtest/gtest.h>

#include <deque>
#include <variant>

namespace videodiffcr {
namespace {

TEST(SessionOutboxTest, ChunksCountUntilTheyAreDecodedAndUntilTheyHaveLeft) {
  SessionOutbox outbox;
  outbox.Push(FinishedChunk());
  outbox.Push(UpdateApplied{5, 1});
  EXPECT_EQ(outbox.chunks_in_delivery(), 1);
  EXPECT_EQ(outbox.chunks_undecoded(), 1);
  outbox.Take();
  EXPECT_EQ(outbox.chunks_in_delivery(), 1) << "in somebody's hands, but not yet away";
  outbox.ChunkDecoded();
  EXPECT_EQ(outbox.chunks_undecoded(), 0);
  EXPECT_EQ(outbox.chunks_in_delivery(), 1);
  outbox.ChunkLeft();
  EXPECT_EQ(outbox.chunks_in_delivery(), 0);
}

TEST(SessionOutboxTest, OnlyAStateThatTheClientDoesNotKnowIsAnnounced) {
  SessionOutbox outbox;
  outbox.Announce(SessionState::kGenerating, "");
  EXPECT_TRUE(outbox.empty()) << "a session that generates at once says nothing";
  outbox.Announce(SessionState::kPaused, "paused by the client");
  outbox.Announce(SessionState::kPaused, "paused by the client");
  EXPECT_EQ(std::get<StateChanged>(outbox.Take()).reason, "paused by the client");
  EXPECT_TRUE(outbox.empty());
}

TEST(SessionOutboxTest, OfStatesThatFollowEachOtherOnlyTheLastIsToldSoThatTheQueueStaysBounded) {
  SessionOutbox outbox;
  for (int i = 0; i < 1000; ++i) {
    outbox.Announce(SessionState::kPaused, "");
    outbox.Announce(SessionState::kBlocked, "");
  }
  EXPECT_EQ(std::get<StateChanged>(outbox.Take()).state, SessionState::kBlocked);
  EXPECT_TRUE(outbox.empty());
}

TEST(SessionOutboxTest, AStateIsNeverMergedWithAnotherEventOrAcrossOne) {
  SessionOutbox outbox;
  outbox.Announce(SessionState::kPaused, "");
  outbox.Push(UpdateApplied{5, 1});
  outbox.Announce(SessionState::kGenerating, "");
  EXPECT_EQ(std::get<StateChanged>(outbox.Take()).state, SessionState::kPaused);
  EXPECT_EQ(std::get<UpdateApplied>(outbox.Take()).update_id, 5);
  EXPECT_EQ(std::get<StateChanged>(outbox.Take()).state, SessionState::kGenerating);
}

TEST(SessionOutboxTest, WhatIsDroppedComesBackInOrderAndLeavesNothing) {
  SessionOutbox outbox;
  outbox.Push(FinishedChunk());
  outbox.Push(UpdateApplied{5, 1});
  const std::deque<SinkEvent> dropped = outbox.Drop();
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<FinishedChunk>(dropped[0]));
  EXPECT_TRUE(std::holds_alternative<UpdateApplied>(dropped[1]));
  EXPECT_TRUE(outbox.empty());
}

}  // namespace
}  // namespace videodiffcr
