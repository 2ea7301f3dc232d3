// What an outbox keeps of what was sent, for a client that comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "tests/server/delivery/outbox_events.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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

TEST_F(ReplayOutboxTest, AnotherConnectionIsNotSentWhatWasOfferedTheOneBefore) {
  outbox_.Offer(FirstFragment(30));
  Push(0);
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(std::nullopt);
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(DeliverAll(*second), ElementsAre(0));
  EXPECT_EQ(bytes_.Value(), 0);
  EXPECT_EQ(outbox_.held_bytes(), 10) << "nor is it kept";
}

TEST_F(ReplayOutboxTest, WhatWasOfferedAndInFlightOnABrokenConnectionIsNotSentAgain) {
  outbox_.Offer(FirstFragment(30));
  ASSERT_TRUE(outbox_.Take(0).has_value());
  Push(0);
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(std::nullopt);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(outbox_.Delivered(0)) << "what the old one says comes too late";
  EXPECT_THAT(DeliverAll(*second), ElementsAre(0));
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

TEST_F(ReplayOutboxTest, OfSnapshotsThatWereSentTheLatestAloneIsKeptAndEventsGoByTheNumbersTheyHad) {
  for (int i = 0; i < 3; ++i) {
    Push(i);
    EXPECT_TRUE(outbox_.Push(Snapshot(i + 1, 400)).ok());
  }
  EXPECT_THAT(DeliverAll(0), ElementsAre(0, -2, 1, -4, 2, -6));
  EXPECT_EQ(outbox_.held_bytes(), 3 * 10 + 400) << "three would have pushed chunks out";
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(std::nullopt);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(DeliverAll(*second), ElementsAre(0, 1, 2, -6));
  EXPECT_TRUE(outbox_.Push(WarningEvent{"CHANGE_TOO_LATE"}).ok());
  EXPECT_THAT(DeliverAll(*second), ElementsAre(-7));
  EXPECT_TRUE(outbox_.Acknowledge(2).ok());
  EXPECT_EQ(outbox_.held_bytes(), 400) << "it came behind the chunk";
  const absl::StatusOr<int64_t> third = outbox_.Reconnect(2);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_THAT(DeliverAll(*third), ElementsAre(-6, -7));
}

TEST_F(ReplayOutboxTest, ASnapshotInFlightWhenItsConnectionBreaksDoesNotCostTheOneBeforeIt) {
  EXPECT_TRUE(outbox_.Push(Snapshot(0, 400)).ok());
  EXPECT_THAT(DeliverAll(0), ElementsAre(-1));
  Push(0);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0));
  EXPECT_TRUE(outbox_.Push(Snapshot(1, 400)).ok());
  ASSERT_TRUE(outbox_.Take(0).has_value());
  const absl::StatusOr<int64_t> second = outbox_.Reconnect(std::nullopt);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(DeliverAll(*second), ElementsAre(-1, 0, -3));
  EXPECT_EQ(outbox_.held_bytes(), 410);
}

TEST_F(ReplayOutboxTest, NothingIsKeptOfASessionThatIsOver) {
  Push(0);
  EXPECT_THAT(DeliverAll(0), ElementsAre(0));
  outbox_.Close();
  EXPECT_EQ(ReconnectCode(std::nullopt), absl::StatusCode::kDataLoss);
  EXPECT_EQ(outbox_.held_bytes(), 0);
}

}  // namespace
}  // namespace videodiffcr
