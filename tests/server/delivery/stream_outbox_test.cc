#include "server/delivery/stream_outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/delivery/outbox_events.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StreamOutboxTest : public testing::Test {
 protected:
  static OutboxLimits Limits() {
    OutboxLimits limits;
    limits.high_bytes = 1000;
    limits.low_bytes = 500;
    limits.high_chunks = 4;
    limits.low_chunks = 2;
    limits.max_events = 16;
    return limits;
  }
  StreamOutboxTest() { outbox_.SetListener(listener_); }
  std::optional<StreamEvent> Take(int64_t connection = 0) {
    const std::optional<OutgoingEvent> taken = outbox_.Take(connection);
    return taken.has_value() ? std::optional(*taken->event) : std::nullopt;
  }
  void DeliverOne(int64_t connection = 0) {
    EXPECT_TRUE(Take(connection).has_value());
    outbox_.Delivered(connection);
  }
  prometheus::Gauge bytes_;
  std::shared_ptr<RecordingListener> listener_ = std::make_shared<RecordingListener>();
  // Keeps nothing.
  StreamOutbox outbox_{Limits(), ReplayLimits{0}, &bytes_};
};

TEST_F(StreamOutboxTest, GivesEventsBackInOrderOneAtATime) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{7, 1}).ok());
  EXPECT_EQ(listener_->readable, 2);
  EXPECT_EQ(std::get<ChunkEvent>(*Take()).sequence, 0);
  EXPECT_FALSE(Take().has_value()) << "one is being written";
  outbox_.Delivered(0);
  EXPECT_EQ(std::get<UpdateAppliedEvent>(*Take()).update_id, 7);
  outbox_.Delivered(0);
  EXPECT_FALSE(Take().has_value());
}

TEST_F(StreamOutboxTest, TellsWhetherWhatWasTakenWasAChunk) {
  EXPECT_FALSE(outbox_.Delivered(0)) << "nothing was";
  EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{7, 1}).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  EXPECT_TRUE(Take().has_value());
  EXPECT_FALSE(outbox_.Delivered(0));
  EXPECT_TRUE(Take().has_value());
  EXPECT_TRUE(outbox_.Delivered(0));
}

TEST_F(StreamOutboxTest, HasRoomUpToTheHighChunkMarkAndFromThereNoneUntilTheLowOne) {
  EXPECT_THAT(listener_->rooms, ElementsAre(4)) << "before the first";
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(outbox_.Push(Chunk(i, 1)).ok());
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 2, 1, 0));
  DeliverOne();
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 2, 1, 0)) << "three is between the marks";
  DeliverOne();
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 2, 1, 0, 2));
}

TEST_F(StreamOutboxTest, BlocksAtTheHighByteMarkAndUnblocksWhenBytesAndChunksAreLow) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 600)).ok());
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3));
  EXPECT_TRUE(outbox_.Push(Chunk(1, 450)).ok());
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 0));
  EXPECT_EQ(bytes_.Value(), 1050);
  EXPECT_TRUE(Take().has_value());
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 0)) << "bytes being written still count";
  outbox_.Delivered(0);
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 0, 3));
  EXPECT_EQ(bytes_.Value(), 450);
}

TEST_F(StreamOutboxTest, RefusesEventsBeyondItsBoundSoThatAViewerWhoNeverReadsCannotFillMemory) {
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{i, 0}).ok());
  EXPECT_EQ(outbox_.Push(UpdateAppliedEvent{16, 0}).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(StreamOutboxTest, EndsOnlyWhenTheLastEventIsDeliveredAndKeepsTheFirstEnd) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  outbox_.End(absl::AbortedError("first"));
  outbox_.End(absl::OkStatus());
  EXPECT_FALSE(outbox_.Ended(0).has_value());
  EXPECT_TRUE(Take().has_value());
  EXPECT_FALSE(outbox_.Ended(0).has_value()) << "it is not delivered yet";
  outbox_.Delivered(0);
  EXPECT_EQ(outbox_.Ended(0), absl::AbortedError("first"));
}

TEST_F(StreamOutboxTest, NothingComesAfterTheLastEventHoweverFullItIs) {
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{i, 0}).ok());
  outbox_.End(absl::OkStatus(), FinishedEvent());
  EXPECT_EQ(outbox_.Push(WarningEvent{"CHANGE_TOO_LATE"}).code(), absl::StatusCode::kCancelled);
  for (int i = 0; i < 16; ++i) DeliverOne();
  EXPECT_TRUE(std::holds_alternative<FinishedEvent>(*Take()));
  outbox_.Delivered(0);
  EXPECT_EQ(outbox_.Ended(0), absl::OkStatus());
}

// Writes down what it is told, and whether the viewer could have known by then.
class RecordingTap final : public StreamOutbox::Tap {
 public:
  explicit RecordingTap(StreamOutbox* outbox) : outbox_(outbox) {}
  bool Listening() override { return true; }
  void OnEvent(const OutgoingEvent&) override {}
  void OnEnd(const absl::Status& status, const StreamEvent* last) override {
    ends.push_back(absl::StrCat(status.message(), last == nullptr ? "" : " with a last event",
                                outbox_->ending() ? ", which its viewer knows" : ", which its viewer cannot know"));
  }
  std::vector<std::string> ends;

 private:
  StreamOutbox* const outbox_;
};

TEST_F(StreamOutboxTest, WatchersHearTheEndBeforeItsViewerCan) {
  const auto tap = std::make_shared<RecordingTap>(&outbox_);
  outbox_.SetTap(tap);
  outbox_.End(absl::AbortedError("the first"), UpdateAppliedEvent{7, 1});
  EXPECT_TRUE(outbox_.ending());
  EXPECT_EQ(std::get<UpdateAppliedEvent>(*Take()).update_id, 7);
  outbox_.Delivered(0);
  outbox_.End(absl::AbortedError("the second"), UpdateAppliedEvent{8, 1});
  EXPECT_FALSE(Take().has_value());
  EXPECT_THAT(tap->ends, ElementsAre("the first with a last event, which its viewer cannot know",
                                     "the first, which its viewer knows"));
}

TEST_F(StreamOutboxTest, CloseDropsEverythingAndGivesTheBytesBack) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 100)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(1, 100)).ok());
  EXPECT_TRUE(Take().has_value());
  outbox_.Close();
  EXPECT_EQ(bytes_.Value(), 0);
  outbox_.Delivered(0);
  EXPECT_EQ(bytes_.Value(), 0) << "counted once";
  EXPECT_FALSE(Take().has_value());
  EXPECT_EQ(outbox_.Push(Chunk(2, 1)).code(), absl::StatusCode::kCancelled);
}

TEST_F(StreamOutboxTest, ABlockedStreamGoesOnOnlyWhenItsBytesAreLowToo) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(1, 501)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(2, 489)).ok());
  EXPECT_EQ(listener_->rooms.back(), 0) << "a thousand is the mark";
  DeliverOne();
  EXPECT_EQ(listener_->rooms.back(), 0) << "two chunks are low, 990 bytes are not";
  DeliverOne();
  EXPECT_EQ(listener_->rooms.back(), 3);
}

TEST_F(StreamOutboxTest, TheLowMarksThemselvesAreLow) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 500)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(1, 500)).ok());
  EXPECT_EQ(listener_->rooms.back(), 0);
  DeliverOne();
  EXPECT_EQ(listener_->rooms.back(), 3);
}

TEST_F(StreamOutboxTest, EventsThatAreNoChunksDoNotCountAsSuch) {
  EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{1, 0}).ok());
  DeliverOne();
  EXPECT_THAT(listener_->rooms, ElementsAre(4));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(outbox_.Push(Chunk(i, 1)).ok());
  EXPECT_THAT(listener_->rooms, ElementsAre(4, 3, 2, 1, 0)) << "four are four";
}

TEST_F(StreamOutboxTest, ADeliveryThatNobodyTookChangesNothing) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 100)).ok());
  DeliverOne();
  outbox_.Delivered(0);
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST_F(StreamOutboxTest, ASecondCloseGivesNothingBackTwice) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 100)).ok());
  outbox_.Close();
  outbox_.Close();
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST(StreamOutboxEndTest, AnOutboxThatGoesAwayFullGivesItsBytesBack) {
  prometheus::Gauge bytes;
  {
    StreamOutbox outbox(OutboxLimits(), ReplayLimits{0}, &bytes);
    EXPECT_TRUE(outbox.Push(Chunk(0, 100)).ok());
    EXPECT_EQ(bytes.Value(), 100);
  }
  EXPECT_EQ(bytes.Value(), 0);
}

TEST_F(StreamOutboxTest, DoesNotNeedItsListenerToLive) {
  listener_.reset();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(outbox_.Push(Chunk(i, 1)).ok());
}

TEST_F(StreamOutboxTest, TheLastWordOnTheRoomIsTrueWhenTwoThreadsFillAndEmptyIt) {
  constexpr int kChunks = 2000;
  std::thread filler([this] {
    for (int i = 0; i < kChunks; ++i) {
      while (!outbox_.Push(Chunk(i, 1)).ok()) std::this_thread::yield();
    }
  });
  for (int taken = 0; taken < kChunks;) {
    if (Take().has_value()) {
      outbox_.Delivered(0);
      ++taken;
    }
  }
  filler.join();
  ASSERT_EQ(bytes_.Value(), 0);
  EXPECT_EQ(listener_->rooms.back(), 4) << "it is empty";
}

TEST_F(StreamOutboxTest, AClientThatAsksForSnapshotsAndReadsNoneHasOneBehindEachChunk) {
  EXPECT_TRUE(outbox_.Push(Snapshot(0, 100)).ok());
  EXPECT_TRUE(Take().has_value());  // in flight: it stays
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(outbox_.Push(Snapshot(0, 100)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(outbox_.Push(Snapshot(1, 100)).ok());
  EXPECT_EQ(bytes_.Value(), 310);
  outbox_.Delivered(0);
  std::vector<int64_t> numbers;
  while (const std::optional<OutgoingEvent> taken = outbox_.Take(0)) {
    numbers.push_back(taken->number);
    outbox_.Delivered(0);
  }
  EXPECT_THAT(numbers, ElementsAre(101, 102, 202));
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST_F(StreamOutboxTest, WhatIsOfferedComesAheadOfWhatWaitsWithoutANumberAndCountsUntilItIsDelivered) {
  EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{7, 1}).ok());
  outbox_.Offer(FirstFragment(30));
  EXPECT_EQ(listener_->readable, 2);
  EXPECT_TRUE(outbox_.Push(Chunk(0, 100)).ok());
  EXPECT_EQ(bytes_.Value(), 130);
  const std::optional<OutgoingEvent> taken = outbox_.Take(0);
  ASSERT_TRUE(taken.has_value() && std::holds_alternative<FirstFragmentEvent>(*taken->event));
  EXPECT_EQ(taken->number, 0);
  EXPECT_FALSE(Take().has_value()) << "it is being written";
  EXPECT_EQ(bytes_.Value(), 130);
  EXPECT_FALSE(outbox_.Delivered(0)) << "no chunk";
  EXPECT_EQ(bytes_.Value(), 100);
  EXPECT_EQ(outbox_.Take(0)->number, 1);
  outbox_.Delivered(0);
  EXPECT_EQ(outbox_.Take(0)->number, 2);
  EXPECT_TRUE(outbox_.Delivered(0));
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST_F(StreamOutboxTest, OneOfferWaitsAtMostAndNoneWhereThereIsNoRoomOrNobodyToTake) {
  outbox_.Offer(FirstFragment(30));
  outbox_.Offer(FirstFragment(40));
  EXPECT_EQ(bytes_.Value(), 30);
  DeliverOne();
  EXPECT_TRUE(outbox_.Push(Chunk(0, 1000)).ok());
  outbox_.Offer(FirstFragment(30));
  EXPECT_EQ(bytes_.Value(), 1000) << "at the high mark";
  DeliverOne();
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{i, 0}).ok());
  outbox_.Offer(FirstFragment(30));
  EXPECT_EQ(bytes_.Value(), 0) << "as many events as may wait";
  for (int i = 0; i < 16; ++i) DeliverOne();
  outbox_.End(absl::OkStatus());
  outbox_.Offer(FirstFragment(30));
  EXPECT_FALSE(Take().has_value()) << "behind the end";
}

TEST_F(StreamOutboxTest, TheEndWaitsForWhatWasOfferedUnlessItIsDropped) {
  outbox_.Offer(FirstFragment(30));
  outbox_.End(absl::AbortedError("over"));
  EXPECT_FALSE(outbox_.Ended(0).has_value());
  EXPECT_TRUE(Take().has_value());
  EXPECT_FALSE(outbox_.Ended(0).has_value());
  outbox_.Drop(absl::CancelledError("cancelled"));
  EXPECT_FALSE(outbox_.Ended(0).has_value()) << "it is in flight";
  outbox_.Delivered(0);
  EXPECT_EQ(outbox_.Ended(0), absl::CancelledError("cancelled"));
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST_F(StreamOutboxTest, AnOfferThatNobodyHasTakenIsDroppedWithTheRest) {
  outbox_.Offer(FirstFragment(30));
  outbox_.Drop(absl::CancelledError("cancelled"));
  EXPECT_EQ(outbox_.Ended(0), absl::CancelledError("cancelled"));
  EXPECT_EQ(bytes_.Value(), 0);
  outbox_.Close();
  EXPECT_EQ(bytes_.Value(), 0) << "given back once";
}

TEST_F(StreamOutboxTest, AnOfferInFlightWhenTheOutboxIsClosedIsGivenBackOnce) {
  outbox_.Offer(FirstFragment(30));
  EXPECT_TRUE(Take().has_value());
  outbox_.Close();
  EXPECT_EQ(bytes_.Value(), 0);
  EXPECT_FALSE(outbox_.Delivered(0));
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST_F(StreamOutboxTest, ASessionThatKeepsNothingCannotBeGivenToAnotherConnection) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  EXPECT_EQ(outbox_.Reconnect(std::nullopt).status().code(), absl::StatusCode::kDataLoss);
  DeliverOne();
}

TEST_F(StreamOutboxTest, DroppingKeepsWhatIsInFlightAndTheStatusThatItIsGiven) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 10)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(1, 10)).ok());
  EXPECT_TRUE(Take().has_value());
  outbox_.End(absl::OkStatus(), FinishedEvent());
  outbox_.Drop(absl::CancelledError("cancelled"));
  EXPECT_FALSE(outbox_.Ended(0).has_value());
  outbox_.Delivered(0);
  EXPECT_EQ(outbox_.Ended(0), absl::CancelledError("cancelled"));
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST(OutboxLimitsTest, RefusesMarksInTheWrongOrder) {
  OutboxLimits limits;
  EXPECT_TRUE(limits.Validate().ok());
  limits.low_bytes = limits.high_bytes;
  EXPECT_EQ(limits.Validate().code(), absl::StatusCode::kInvalidArgument);
  limits = OutboxLimits();
  limits.low_chunks = limits.high_chunks;
  EXPECT_EQ(limits.Validate().code(), absl::StatusCode::kInvalidArgument);
}

TEST(OutboxLimitsTest, TheLeastOfEverythingIsValidAndLessIsNot) {
  OutboxLimits least;
  least.low_bytes = least.low_chunks = 0;
  least.high_bytes = least.high_chunks = 1;
  least.max_events = 16;
  EXPECT_EQ(least.Validate(), absl::OkStatus());
  OutboxLimits limits = least;
  limits.low_bytes = -1;
  EXPECT_THAT(std::string(limits.Validate().message()), HasSubstr("outbox_low_bytes is -1"));
  limits = least;
  limits.low_chunks = -1;
  EXPECT_THAT(std::string(limits.Validate().message()), HasSubstr("outbox_low_chunks is -1"));
  limits = least;
  limits.max_events = 15;
  EXPECT_THAT(std::string(limits.Validate().message()), HasSubstr("the most is 15"));
}

}  // namespace
}  // namespace videodiffcr
