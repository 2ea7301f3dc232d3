#include "server/delivery/stream_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "checksum/crc32c.h"
#include "prometheus/registry.h"
#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Takes two seconds per chunk or part of one and writes "chunk" and " and more", before the first one "init"; says that
// it made no keyframe.
class SlowEncoder final : public ChunkEncoder {
 public:
  explicit SlowEncoder(ManualClock* clock) : clock_(clock) {}
  absl::Status EncodePart(const FrameChunk& chunk, int begin, int frames, EncodedChunk* encoded) override {
    if (chunk.frame_count == 0) return absl::InvalidArgumentError("no frames");
    if (begin > 0 && before_more) before_more();
    clock_->Advance(absl::Seconds(2));
    parts.emplace_back(begin, frames);
    encoded->payload += begin == 0 ? "chunk" : " and more";
    if (!std::exchange(initialised_, true)) encoded->init_segment = "init";
    encoded->keyframe = false;
    return absl::OkStatus();
  }
  std::vector<std::pair<int, int>> parts;
  std::function<void()> before_more;

 private:
  ManualClock* const clock_;
  bool initialised_ = false;
};

class StreamSinkTest : public testing::Test {
 protected:
  StreamSinkTest() {
    OutboxLimits limits;
    limits.max_events = 16;
    outbox_ = std::make_shared<StreamOutbox>(limits, ReplayLimits{0}, metrics_.send_buffer_bytes);
    sink_ = MakeSink([this]() -> SessionEncoder::Made {
      ++encoders_made_;
      return std::make_unique<SlowEncoder>(&clock_);
    });
  }
  static EncoderConfig Config() {
    EncoderConfig config;
    config.frames_per_second = 16;
    return config;
  }
  std::unique_ptr<StreamSink> MakeSink(std::function<SessionEncoder::Made()> make_encoder,
                                       const EncoderConfig& config = Config()) {
    encoder_ = std::make_shared<SessionEncoder>(std::move(make_encoder));
    encoder_->Allow(absl::OkStatus());
    return std::make_unique<StreamSink>(encoder_, config, clock_.Now(), outbox_, &clock_, &metrics_);
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
    const std::optional<OutgoingEvent> taken = outbox_->Take(0);
    std::optional<StreamEvent> event;
    if (taken.has_value()) event = *taken->event;
    outbox_->Delivered(0);
    EXPECT_TRUE(event.has_value() && std::holds_alternative<Event>(*event));
    return std::get<Event>(*std::move(event));
  }

  ManualClock clock_;
  prometheus::Registry registry_;
  DeliveryMetrics metrics_{&registry_, "fake"};
  std::shared_ptr<StreamOutbox> outbox_;
  int encoders_made_ = 0;
  std::shared_ptr<SessionEncoder> encoder_;
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
  EXPECT_EQ(first.init_segment, "init");
  EXPECT_EQ(second.init_segment, "");
  EXPECT_EQ(metrics_.of(VideoCodec::kH264).output_bytes_total->Value(), 14) << "the init segment counts";
  EXPECT_EQ(metrics_.of(VideoCodec::kH264).encode_seconds->Collect().histogram.sample_sum, 4);
}

TEST_F(StreamSinkTest, AFirstFragmentLeavesBeforeTheRestOfItsChunkIsEncodedAndNoOtherChunkHasOne) {
  EncoderConfig config = Config();
  config.first_fragment_frames = 2;
  auto encoder = std::make_unique<SlowEncoder>(&clock_);
  SlowEncoder* const made = encoder.get();
  const auto sink = MakeSink([&]() -> SessionEncoder::Made { return std::move(encoder); }, config);
  FirstFragmentEvent early;
  made->before_more = [&] { early = Take<FirstFragmentEvent>(); };
  EXPECT_EQ(*sink->OnChunk(Chunk(0, 0, 9)), 14) << "counted once";
  EXPECT_EQ(early.payload, "chunk");
  EXPECT_EQ(early.payload_crc32c, Crc32c("chunk"));
  EXPECT_EQ(early.init_segment, "init");
  EXPECT_EQ(early.frame_count, 2);
  EXPECT_EQ(metrics_.time_to_first_frames_seconds->Collect().histogram.sample_sum, 2);
  EXPECT_EQ(*sink->OnChunk(Chunk(1, 9, 12)), 5);
  EXPECT_THAT(made->parts, ElementsAre(Pair(0, 2), Pair(2, 7), Pair(0, 12)));
  const auto chunk = Take<ChunkEvent>();
  EXPECT_EQ(chunk.payload, "chunk and more");
  EXPECT_EQ(chunk.payload_crc32c, Crc32c("chunk and more"));
  EXPECT_EQ(chunk.init_segment, "init") << "whole, whoever has seen its beginning";
  EXPECT_EQ(chunk.encode, absl::Seconds(4));
  Take<ChunkEvent>();
  EXPECT_EQ(metrics_.time_to_first_frames_seconds->Collect().histogram.sample_count, 1u);
}

TEST_F(StreamSinkTest, AnEncoderThatCouldNotBeMadeIsTheErrorOfItsSession) {
  const auto sink = MakeSink([] { return absl::InternalError("no codec"); });
  sink->OnStateChanged(SessionState::kGenerating, "");
  EXPECT_EQ(sink->OnChunk(Chunk(0, 0, 9)).status(), absl::InternalError("no codec"));
}

TEST_F(StreamSinkTest, ASessionThatWaitsForItsPlaceHasNoEncoderUntilItHasIt) {
  sink_->OnStateChanged(SessionState::kWaiting, "no place is free");
  EXPECT_EQ(encoders_made_, 0);
  sink_->OnStateChanged(SessionState::kGenerating, "");
  EXPECT_EQ(encoders_made_, 1) << "while its first chunk is denoised";
  EXPECT_TRUE(sink_->OnChunk(Chunk(0, 0, 9)).ok());
  sink_->OnStateChanged(SessionState::kPaused, "");
  EXPECT_TRUE(sink_->OnChunk(Chunk(1, 9, 12)).ok());
  EXPECT_EQ(encoders_made_, 1);
}

TEST_F(StreamSinkTest, ASessionThatHasItsPlaceAtOnceNeedsNoNewsOfIt) {
  EXPECT_TRUE(encoder_->Prepare().ok());
  EXPECT_TRUE(sink_->OnChunk(Chunk(0, 0, 9)).ok());
  EXPECT_EQ(encoders_made_, 1);
}

TEST_F(StreamSinkTest, AChunkOfASessionThatMayNotBeginAfterAllIsNotEncoded) {
  const auto encoder = std::make_shared<SessionEncoder>([]() -> SessionEncoder::Made { return nullptr; });
  StreamSink sink(encoder, Config(), clock_.Now(), outbox_, &clock_, &metrics_);
  encoder->Allow(absl::ResourceExhaustedError("the tenant has too many that wait"));
  EXPECT_TRUE(absl::IsResourceExhausted(sink.OnChunk(Chunk(0, 0, 9)).status()));
}

TEST_F(StreamSinkTest, WhatTheSchedulerAndTheEncoderSayOfAChunkGoesWithIt) {
  GeneratedChunk chunk = Chunk(3, 33, 12);
  chunk.scene_start = true;
  chunk.nominal = 7;
  chunk.executed_retention = 0.73;
  chunk.executed_cache = 0.6;
  chunk.timings.denoise = absl::Milliseconds(40);
  chunk.work_began = clock_.Now() - absl::Seconds(1);
  chunk.deadline = clock_.Now() + absl::Seconds(9);
  EXPECT_TRUE(sink_->OnChunk(chunk).ok());
  const auto event = Take<ChunkEvent>();
  EXPECT_EQ(event.sequence, 3);
  EXPECT_EQ(event.first_frame, 33);
  EXPECT_EQ(event.frame_count, 12);
  EXPECT_TRUE(event.scene_start);
  EXPECT_FALSE(event.keyframe);
  EXPECT_EQ(event.nominal, 7);
  EXPECT_EQ(event.executed_retention, 0.73);
  EXPECT_EQ(event.executed_cache, 0.6);
  EXPECT_EQ(event.timings.denoise, absl::Milliseconds(40));
  EXPECT_EQ(event.work_began, chunk.work_began);
  EXPECT_EQ(event.deadline, chunk.deadline);
}

TEST_F(StreamSinkTest, TheTotalsCountFromTheFirstMessageToTheFirstAndTheLastChunk) {
  EXPECT_TRUE(sink_->OnChunk(Chunk(0, 0, 9)).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(sink_->OnChunk(Chunk(1, 9, 12)).ok());
  SessionTotals totals;
  totals.chunks = 2;
  totals.frames = 21;
  totals.nominal_retention_mean = 0.85;
  totals.executed_retention_mean = 0.875;
  totals.executed_cache_mean = 0.65;
  totals.reason = "LENGTH_REACHED";
  sink_->OnEnded(absl::OkStatus(), totals);
  Take<ChunkEvent>();
  Take<ChunkEvent>();
  const auto finished = Take<FinishedEvent>();
  EXPECT_EQ(finished.time_to_first_chunk, absl::Seconds(2));
  EXPECT_EQ(finished.wall_duration, absl::Seconds(5));
  EXPECT_EQ(finished.content_duration, absl::Seconds(21) / 16);
  EXPECT_EQ(finished.payload_bytes, 10);
  EXPECT_EQ(finished.chunks, 2);
  EXPECT_EQ(finished.frames, 21);
  EXPECT_EQ(finished.nominal_retention_mean, 0.85);
  EXPECT_EQ(finished.executed_retention_mean, 0.875);
  EXPECT_EQ(finished.executed_cache_mean, 0.65);
  EXPECT_EQ(finished.reason, "LENGTH_REACHED");
  EXPECT_EQ(outbox_->Ended(0), absl::OkStatus());
}

TEST_F(StreamSinkTest, AnErrorEndsTheStreamWithoutATotal) {
  sink_->OnStateChanged(SessionState::kGenerating, "began");
  sink_->OnStateChanged(SessionState::kEnded, "failed");
  sink_->OnEnded(absl::InternalError("broken"), SessionTotals());
  EXPECT_EQ(Take<StateChangedEvent>().state, SessionState::kGenerating);
  EXPECT_EQ(outbox_->Ended(0), absl::InternalError("broken"));
}

TEST_F(StreamSinkTest, AFrameThatDoesNotEncodeIsTheErrorOfItsSession) {
  EXPECT_EQ(sink_->OnChunk(Chunk(0, 0, 0)).status(), absl::InvalidArgumentError("no frames"));
}

TEST_F(StreamSinkTest, AViewerWhoNeverReadsLosesItsSessionAtTheNextChunk) {
  for (int i = 0; i < 17; ++i) sink_->OnUpdateApplied(i, 0);
  EXPECT_EQ(sink_->OnChunk(Chunk(0, 0, 9)).status().code(), absl::StatusCode::kResourceExhausted);
}

// The viewer would believe a list with a gap.
TEST_F(StreamSinkTest, AViewerWhoMissedAnAnswerLosesItsSessionAlthoughThereIsRoomAgain) {
  for (int i = 0; i < 17; ++i) sink_->OnUpdateApplied(i, 0);
  Take<UpdateAppliedEvent>();
  Take<UpdateAppliedEvent>();
  sink_->OnUpdateApplied(17, 0);
  EXPECT_EQ(sink_->OnChunk(Chunk(0, 0, 9)).status().code(), absl::StatusCode::kResourceExhausted);
  for (int i = 0; i < 15; ++i) Take<UpdateAppliedEvent>();
  sink_->OnEnded(absl::OkStatus(), SessionTotals());
  Take<FinishedEvent>();
  EXPECT_EQ(outbox_->Ended(0)->code(), absl::StatusCode::kResourceExhausted) << "no good end, either";
}

TEST_F(StreamSinkTest, AChunkThatFindsNoRoomCountsForNothing) {
  for (int i = 0; i < 16; ++i) sink_->OnUpdateApplied(i, 0);
  EXPECT_EQ(sink_->OnChunk(Chunk(0, 0, 9)).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(StreamSinkTest, BudgetChangesAreToldWithWhoChangedThemAndWhy) {
  sink_->OnBudgetChanged(4, 7, false, "asked for by the client");
  const auto event = Take<BudgetChangedEvent>();
  EXPECT_EQ(event.first_chunk, 4);
  EXPECT_EQ(event.target, 7);
  EXPECT_FALSE(event.by_server);
  EXPECT_EQ(event.reason, "asked for by the client");
}

}  // namespace
}  // namespace videodiffcr
