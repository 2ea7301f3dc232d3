#include "server/delivery/stream_outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RecordingListener final : public StreamOutbox::Listener {
 public:
  void OnReadable() override { ++readable; }
  void OnBlockedChanged(bool blocked) override { changes.push_back(blocked); }
  int readable = 0;
  std::vector<bool> changes;
};

StreamEvent Chunk(int64_t sequence, size_t bytes) {
  ChunkEvent event;
  event.sequence = sequence;
  event.payload = std::string(bytes, 'x');
  return event;
}

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

// Keeps four chunks of a thousand bytes together.
class ReplayOutboxTest : public testing::Test {
 protected:
  static OutboxLimits Limits() {
    OutboxLimits limits;
    limits.high_bytes = int64_t{1} << 20;
    limits.max_events = 16;
    limits.high_chunks = 10;
    return limits;
  }
  ReplayOutboxTest() { outbox_.SetListener(listener_); }
  void Push(int64_t sequence, size_t bytes = 10) { EXPECT_TRUE(outbox_.Push(Chunk(sequence, bytes)).ok()); }
  // What goes to `connection` until nothing waits: chunks by their sequence, other events by their number below 0.
  std::vector<int64_t> DeliverAll(int64_t connection) {
    std::vector<int64_t> sent;
    while (const std::optional<OutgoingEvent> taken = outbox_.Take(connection)) {
      const auto* chunk = std::get_if<ChunkEvent>(taken->event.get());
      sent.push_back(chunk == nullptr ? -taken->number : chunk->sequence);
      outbox_.Delivered(connection);
    }
    return sent;
  }
  absl::StatusCode ReconnectCode(std::optional<int64_t> last) { return outbox_.Reconnect(last).status().code(); }

  prometheus::Gauge bytes_;
  std::shared_ptr<RecordingListener> listener_ = std::make_shared<RecordingListener>();
  StreamOutbox outbox_{Limits(), ReplayLimits{4, 1000}, &bytes_};
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

TEST_F(StreamOutboxTest, BlocksAtTheHighChunkMarkAndUnblocksAtTheLowOne) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(outbox_.Push(Chunk(i, 1)).ok());
  EXPECT_THAT(listener_->changes, IsEmpty());
  EXPECT_TRUE(outbox_.Push(Chunk(3, 1)).ok());
  EXPECT_THAT(listener_->changes, ElementsAre(true));
  DeliverOne();
  EXPECT_THAT(listener_->changes, ElementsAre(true)) << "three is between the marks";
  DeliverOne();
  EXPECT_THAT(listener_->changes, ElementsAre(true, false));
}

TEST_F(StreamOutboxTest, BlocksAtTheHighByteMarkAndUnblocksWhenBytesAndChunksAreLow) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 600)).ok());
  EXPECT_THAT(listener_->changes, IsEmpty());
  EXPECT_TRUE(outbox_.Push(Chunk(1, 450)).ok());
  EXPECT_THAT(listener_->changes, ElementsAre(true));
  EXPECT_EQ(bytes_.Value(), 1050);
  EXPECT_TRUE(Take().has_value());
  EXPECT_THAT(listener_->changes, ElementsAre(true)) << "bytes being written still count";
  outbox_.Delivered(0);
  EXPECT_THAT(listener_->changes, ElementsAre(true, false));
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
  EXPECT_THAT(listener_->changes, ElementsAre(true)) << "a thousand is the mark";
  DeliverOne();
  EXPECT_THAT(listener_->changes, ElementsAre(true)) << "two chunks are low, 990 bytes are not";
  DeliverOne();
  EXPECT_THAT(listener_->changes, ElementsAre(true, false));
}

TEST_F(StreamOutboxTest, TheLowMarksThemselvesAreLow) {
  EXPECT_TRUE(outbox_.Push(Chunk(0, 500)).ok());
  EXPECT_TRUE(outbox_.Push(Chunk(1, 500)).ok());
  EXPECT_THAT(listener_->changes, ElementsAre(true));
  DeliverOne();
  EXPECT_THAT(listener_->changes, ElementsAre(true, false));
}

TEST_F(StreamOutboxTest, EventsThatAreNoChunksDoNotCountAsSuch) {
  EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{1, 0}).ok());
  DeliverOne();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(outbox_.Push(Chunk(i, 1)).ok());
  EXPECT_THAT(listener_->changes, IsEmpty());
  EXPECT_TRUE(outbox_.Push(Chunk(3, 1)).ok());
  EXPECT_THAT(listener_->changes, ElementsAre(true)) << "four are four";
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

TEST_F(StreamOutboxTest, TheLastWordOnTheWatermarksIsTrueWhenTwoThreadsFillAndEmptyIt) {
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
  EXPECT_EQ(listener_->changes.size() % 2, 0u) << "the last word is that it is not blocked";
  for (size_t i = 0; i < listener_->changes.size(); ++i) EXPECT_EQ(listener_->changes[i], i % 2 == 0);
}

TEST_F(ReplayOutboxTest, ANewConnectionIsSentWhatComesBehindTheLastChunkThatArrivedUnderTheSameNumbers) {
  Push(0);
  EXPECT_TRUE(outbox_.Push(UpdateAppliedEvent{7, 1}).ok());
  Push(1);
  Push(2);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0, -2, 1, 2));
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(0);
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(DeliverAll(0), IsEmpty()) << "the connection before is given nothing any more";
  EXPECT_THAT(DeliverAll(*second), ElementsAre(-2, 1, 2));
  Push(3);
  EXPECT_THAT(DeliverAll(*second), ElementsAre(3));
}

TEST_F(ReplayOutboxTest, WhatWasInFlightOnABrokenConnectionIsSentAgain) {
  Push(0);
  Push(1);
  ASSERT_TRUE(outbox_.Take(0).has_value());
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(std::nullopt);
  ASSERT_TRUE(second.ok());
  outbox_.Delivered(0);  // what the old one says comes too late
  EXPECT_THAT(DeliverAll(*second), ElementsAre(0, 1));
}

TEST_F(ReplayOutboxTest, WhatWasInFlightAndArrivedAfterAllIsNotSentAgain) {
  Push(0);
  Push(1);
  ASSERT_TRUE(outbox_.Take(0).has_value());
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(0);
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(DeliverAll(*second), ElementsAre(1));
  EXPECT_EQ(bytes_.Value(), 0);
}

TEST_F(ReplayOutboxTest, FourChunksAreKeptAndTheFifthPushesTheFirstOut) {
  for (int i = 0; i < 5; ++i) Push(i);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(ReconnectCode(std::nullopt), absl::StatusCode::kDataLoss);
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(0);
  ASSERT_TRUE(second.ok()) << "a refused one changes nothing";
  EXPECT_THAT(DeliverAll(*second), ElementsAre(1, 2, 3, 4));
}

TEST_F(ReplayOutboxTest, AThousandBytesAreKeptAndNotOneMore) {
  Push(0, 500);
  Push(1, 500);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0, 1));
  EXPECT_EQ(outbox_.held_bytes(), 1000);
  EXPECT_TRUE(outbox_.Reconnect(std::nullopt).ok());
  EXPECT_THAT(DeliverAll(1), ElementsAre(0, 1));
  Push(2, 1);
  EXPECT_THAT(DeliverAll(1), ElementsAre(2));
  EXPECT_EQ(outbox_.held_bytes(), 501);
  EXPECT_EQ(ReconnectCode(std::nullopt), absl::StatusCode::kDataLoss);
}

TEST_F(ReplayOutboxTest, WhatIsAcknowledgedIsNotKept) {
  for (int i = 0; i < 3; ++i) Push(i, 100);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0, 1, 2));
  EXPECT_EQ(outbox_.held_bytes(), 300);
  EXPECT_TRUE(outbox_.Acknowledge(1).ok());
  EXPECT_EQ(outbox_.held_bytes(), 100);
  EXPECT_TRUE(outbox_.Acknowledge(0).ok()) << "an old one changes nothing";
  EXPECT_EQ(outbox_.Acknowledge(3).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReconnectCode(0), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReconnectCode(1), absl::StatusCode::kOk);
}

TEST_F(ReplayOutboxTest, AnAcknowledgementMayComeBeforeTheTransportSaysThatItHasTheChunk) {
  Push(0);
  ASSERT_TRUE(outbox_.Take(0).has_value());
  EXPECT_TRUE(outbox_.Acknowledge(0).ok());
  outbox_.Delivered(0);
  EXPECT_EQ(outbox_.held_bytes(), 0);
}

TEST_F(ReplayOutboxTest, AChunkThatWasNeverSentCannotHaveArrived) {
  Push(0);
  EXPECT_EQ(ReconnectCode(0), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReconnectCode(std::nullopt), absl::StatusCode::kOk);
}

TEST_F(ReplayOutboxTest, TheEndIsToldAgainToo) {
  Push(0);
  outbox_.End(absl::OkStatus(), FinishedEvent());
  EXPECT_THAT(DeliverAll(0), ElementsAre(0, -2));
  EXPECT_EQ(outbox_.Ended(0), absl::OkStatus());
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(0);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(outbox_.Ended(*second).has_value());
  EXPECT_THAT(DeliverAll(*second), ElementsAre(-2));
  EXPECT_EQ(outbox_.Ended(*second), absl::OkStatus());
  EXPECT_FALSE(outbox_.Ended(0).has_value()) << "not to a connection that is not the latest";
}

TEST_F(ReplayOutboxTest, NothingIsKeptOfASessionThatIsOver) {
  Push(0);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0));
  outbox_.Close();
  EXPECT_EQ(ReconnectCode(std::nullopt), absl::StatusCode::kDataLoss);
  EXPECT_EQ(outbox_.held_bytes(), 0);
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
