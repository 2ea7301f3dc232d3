#include "server/delivery/stream_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "prometheus/registry.h"
#include "proto/crc32c.h"
#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

// Takes two seconds per chunk and writes "chunk".
class SlowEncoder final : public ChunkEncoder {
 public:
  explicit SlowEncoder(ManualClock* clock) : clock_(clock) {}
  absl::StatusOr<EncodedChunk> Encode(const FrameChunk& chunk) override {
    if (chunk.frame_count == 0) return absl::InvalidArgumentError("no frames");
    clock_->Advance(absl::Seconds(2));
    EncodedChunk encoded;
    encoded.payload = "chunk";
    return encoded;
  }
  const std::string& codec_string() const override { return codec_string_; }

 private:
  ManualClock* const clock_;
  const std::string codec_string_;
};

class StreamSinkTest : public testing::Test {
 protected:
  StreamSinkTest() {
    OutboxLimits limits;
    limits.max_events = 16;
    outbox_ = std::make_shared<StreamOutbox>(limits, metrics_.send_buffer_bytes);
    sink_ = std::make_unique<StreamSink>(std::make_unique<SlowEncoder>(&clock_), VideoCodec::kH264,
                                         /*frames_per_second=*/16, clock_.Now(), outbox_, &clock_, &metrics_);
  }
  GeneratedChunk Chunk(int64_t sequence, int64_t first_frame, int frames) {
    GeneratedChunk chunk;
    chunk.sequence = sequence;
    chunk.first_frame = first_frame;
    chunk.work_began = clock_.Now();
    chunk.frames.frame_count = frames;
    return chunk;
  }
  template <typename Event>
  Event Take() {
    std::optional<StreamEvent> event = outbox_->Take();
    outbox_->Delivered();
    EXPECT_TRUE(event.has_value() && std::holds_alternative<Event>(*event));
    return std::get<Event>(*std::move(event));
  }

  ManualClock clock_;
  prometheus::Registry registry_;
  DeliveryMetrics metrics_{&registry_, "fake"};
  std::shared_ptr<StreamOutbox> outbox_;
  std::unique_ptr<StreamSink> sink_;
};

TEST_F(StreamSinkTest, AChunkCarriesItsPlaceInTimeItsChecksumAndItsEncodingTime) {
  EXPECT_EQ(*sink_->OnChunk(Chunk(0, 0, 9)), 5) << "encoded bytes count against byte credits";
  EXPECT_EQ(*sink_->OnChunk(Chunk(1, 9, 12)), 5);
  const auto first = Take<ChunkEvent>();
  EXPECT_EQ(first.presentation_start, absl::ZeroDuration());
  EXPECT_EQ(first.presentation_duration, absl::Seconds(9) / 16);
  const auto second = Take<ChunkEvent>();
  EXPECT_EQ(second.presentation_start, absl::Seconds(9) / 16);
  EXPECT_EQ(second.presentation_start + second.presentation_duration, absl::Seconds(21) / 16);
  EXPECT_EQ(second.encode, absl::Seconds(2));
  EXPECT_EQ(second.payload, "chunk");
  EXPECT_EQ(second.payload_crc32c, Crc32c("chunk"));
  EXPECT_EQ(metrics_.of(VideoCodec::kH264).output_bytes_total->Value(), 10);
}

TEST_F(StreamSinkTest, TheTotalsCountFromTheFirstMessageToTheFirstAndTheLastChunk) {
  EXPECT_TRUE(sink_->OnChunk(Chunk(0, 0, 9)).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(sink_->OnChunk(Chunk(1, 9, 12)).ok());
  SessionTotals totals;
  totals.chunks = 2;
  totals.frames = 21;
  totals.reason = "LENGTH_REACHED";
  sink_->OnEnded(absl::OkStatus(), totals);
  Take<ChunkEvent>();
  Take<ChunkEvent>();
  const auto finished = Take<FinishedEvent>();
  EXPECT_EQ(finished.time_to_first_chunk, absl::Seconds(2));
  EXPECT_EQ(finished.wall_duration, absl::Seconds(5));
  EXPECT_EQ(finished.content_duration, absl::Seconds(21) / 16);
  EXPECT_EQ(finished.payload_bytes, 10);
  EXPECT_EQ(finished.reason, "LENGTH_REACHED");
  EXPECT_EQ(outbox_->Ended(), absl::OkStatus());
}

TEST_F(StreamSinkTest, AnErrorEndsTheStreamWithoutATotal) {
  sink_->OnStateChanged(SessionState::kGenerating, "began");
  sink_->OnStateChanged(SessionState::kEnded, "failed");
  sink_->OnEnded(absl::InternalError("broken"), SessionTotals());
  EXPECT_EQ(Take<StateChangedEvent>().state, SessionState::kGenerating);
  EXPECT_EQ(outbox_->Ended(), absl::InternalError("broken"));
}

TEST_F(StreamSinkTest, AFrameThatDoesNotEncodeIsTheErrorOfItsSession) {
  EXPECT_EQ(sink_->OnChunk(Chunk(0, 0, 0)).status(), absl::InvalidArgumentError("no frames"));
}

TEST_F(StreamSinkTest, AViewerWhoNeverReadsLosesItsSessionAtTheNextChunk) {
  for (int i = 0; i < 17; ++i) sink_->OnUpdateApplied(i, 0);
  EXPECT_EQ(sink_->OnChunk(Chunk(0, 0, 9)).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace videodiffcr
