// Every field of every event has its place in a response.
#include "server/rpc/response_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1);

int64_t Milliseconds(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1000 + duration.nanos() / 1'000'000;
}

TEST(ResponseConversionTest, TheStartSaysWhatTheSessionIs) {
  StartedEvent event;
  event.session_name = "session-1";
  event.seed = 42;
  event.width = 64;
  event.height = 48;
  event.frames_per_second = 16;
  event.first_chunk_frames = 9;
  event.chunk_frames = 12;
  event.codec_string = "avc1.42c01e";
  event.output = {VideoCodec::kRawYuv420p, VideoContainer::kRaw};
  event.model = "tiny";
  event.length_chunks = 3;
  event.target = 7;
  const v1::StreamVideoResponse response = ToResponse(event);
  ASSERT_TRUE(response.has_started());
  const v1::SessionStarted& started = response.started();
  EXPECT_EQ(started.session_id(), "session-1");
  EXPECT_EQ(started.seed(), 42u);
  EXPECT_EQ(started.width(), 64);
  EXPECT_EQ(started.height(), 48);
  EXPECT_EQ(started.frames_per_second(), 16);
  EXPECT_EQ(started.first_chunk_frames(), 9);
  EXPECT_EQ(started.chunk_frames(), 12);
  EXPECT_EQ(started.codec_string(), "avc1.42c01e");
  EXPECT_EQ(started.codec(), v1::CODEC_RAW_YUV420P);
  EXPECT_EQ(started.container(), v1::CONTAINER_RAW);
  EXPECT_EQ(started.model(), "tiny");
  EXPECT_EQ(started.length_chunks(), 3);
  EXPECT_EQ(started.retention_target(), 0.7);
}

TEST(ResponseConversionTest, AFirstFragmentSaysItsBytesTheirChecksumAndFrames) {
  const v1::StreamVideoResponse response = ToResponse(FirstFragmentEvent{"init", "payload", 99, 2}, kNow, 0);
  ASSERT_TRUE(response.has_first_fragment());
  EXPECT_EQ(response.first_fragment().init_segment(), "init");
  EXPECT_EQ(response.first_fragment().payload(), "payload");
  EXPECT_EQ(response.first_fragment().payload_crc32c(), 99u);
  EXPECT_EQ(response.first_fragment().frame_count(), 2);
}

TEST(ResponseConversionTest, AChunkSaysItsPlaceItsRetentionAndWhereItsTimeWent) {
  ChunkEvent event;
  event.sequence = 5;
  event.first_frame = 57;
  event.frame_count = 12;
  event.presentation_start = absl::Milliseconds(3562);
  event.presentation_duration = absl::Milliseconds(750);
  event.keyframe = false;
  event.scene_start = true;
  event.init_segment = "init";
  event.payload = "payload";
  event.payload_crc32c = 99;
  event.nominal = 7;
  event.executed_retention = 0.73;
  event.executed_cache = 0.6;
  event.timings.queue = absl::Milliseconds(1);
  event.timings.text = absl::Milliseconds(2);
  event.timings.denoise = absl::Milliseconds(3);
  event.timings.context = absl::Milliseconds(4);
  event.timings.decode = absl::Milliseconds(5);
  event.encode = absl::Milliseconds(6);
  event.timings.context_queue = absl::Milliseconds(7);
  event.timings.delivery_queue = absl::Milliseconds(8);
  event.work_began = kNow - absl::Milliseconds(70);
  event.deadline = kNow - absl::Milliseconds(1250);
  const v1::StreamVideoResponse response = ToResponse(event, kNow, 0);
  ASSERT_TRUE(response.has_chunk());
  const v1::VideoChunk& chunk = response.chunk();
  EXPECT_EQ(chunk.sequence(), 5);
  EXPECT_EQ(chunk.first_frame(), 57);
  EXPECT_EQ(chunk.frame_count(), 12);
  EXPECT_EQ(Milliseconds(chunk.presentation_start()), 3562);
  EXPECT_EQ(Milliseconds(chunk.presentation_duration()), 750);
  EXPECT_FALSE(chunk.keyframe());
  EXPECT_TRUE(chunk.scene_start());
  EXPECT_EQ(chunk.init_segment(), "init");
  EXPECT_EQ(chunk.payload(), "payload");
  EXPECT_EQ(chunk.payload_crc32c(), 99u);
  EXPECT_EQ(chunk.retention().nominal(), 0.7);
  EXPECT_EQ(chunk.retention().executed(), 0.73);
  EXPECT_EQ(chunk.retention().executed_cache(), 0.6);
  EXPECT_EQ(Milliseconds(chunk.timings().queue()), 1);
  EXPECT_EQ(Milliseconds(chunk.timings().text()), 2);
  EXPECT_EQ(Milliseconds(chunk.timings().denoise()), 3);
  EXPECT_EQ(Milliseconds(chunk.timings().context()), 4);
  EXPECT_EQ(Milliseconds(chunk.timings().decode()), 5);
  EXPECT_EQ(Milliseconds(chunk.timings().encode()), 6);
  EXPECT_EQ(Milliseconds(chunk.timings().context_queue()), 7);
  EXPECT_EQ(Milliseconds(chunk.timings().delivery_queue()), 8);
  EXPECT_EQ(Milliseconds(chunk.timings().total()), 70);
  EXPECT_EQ(chunk.slack().seconds(), -1) << "negative durations carry the sign in both parts";
  EXPECT_EQ(chunk.slack().nanos(), -250'000'000);
  event.deadline.reset();
  EXPECT_FALSE(ToResponse(event, kNow, 0).chunk().has_slack());
}

TEST(ResponseConversionTest, WhatHappensToASessionIsToldWithItsReason) {
  const auto update = ToResponse(UpdateAppliedEvent{7, 3}, kNow, 0);
  EXPECT_EQ(update.update_applied().update_id(), 7);
  EXPECT_EQ(update.update_applied().first_chunk(), 3);
  const auto budget = ToResponse(BudgetChangedEvent{4, 8, false, "asked for"}, kNow, 0);
  EXPECT_EQ(budget.budget_changed().first_chunk(), 4);
  EXPECT_EQ(budget.budget_changed().retention_target(), 0.8);
  EXPECT_EQ(budget.budget_changed().origin(), v1::BUDGET_ORIGIN_CLIENT);
  EXPECT_EQ(budget.budget_changed().reason(), "asked for");
  EXPECT_EQ(ToResponse(BudgetChangedEvent{4, 8, true, ""}, kNow, 0).budget_changed().origin(),
            v1::BUDGET_ORIGIN_SERVER);
  const auto warning = ToResponse(WarningEvent{"UNKNOWN_WORDS", "look", {"one", "two"}}, kNow, 0);
  EXPECT_EQ(warning.warning().reason(), "UNKNOWN_WORDS");
  EXPECT_EQ(warning.warning().message(), "look");
  EXPECT_THAT(warning.warning().details(), ElementsAre("one", "two"));
}

TEST(ResponseConversionTest, EveryStateHasItsName) {
  const auto state = [](SessionState state) {
    return ToResponse(StateChangedEvent{state, "why"}, kNow, 0).state_changed();
  };
  EXPECT_EQ(state(SessionState::kWaiting).reason(), "why");
  EXPECT_EQ(state(SessionState::kWaiting).state(), v1::SESSION_STATE_WAITING);
  EXPECT_EQ(state(SessionState::kGenerating).state(), v1::SESSION_STATE_GENERATING);
  EXPECT_EQ(state(SessionState::kPaused).state(), v1::SESSION_STATE_PAUSED);
  EXPECT_EQ(state(SessionState::kBlocked).state(), v1::SESSION_STATE_BLOCKED);
  EXPECT_EQ(state(SessionState::kFinishing).state(), v1::SESSION_STATE_FINISHING);
}

TEST(ResponseConversionTest, TheEndSumsTheSessionUp) {
  FinishedEvent event;
  event.chunks = 3;
  event.frames = 33;
  event.payload_bytes = 1000;
  event.content_duration = absl::Milliseconds(2062);
  event.wall_duration = absl::Milliseconds(5000);
  event.time_to_first_chunk = absl::Milliseconds(900);
  event.nominal_retention_mean = 0.8;
  event.executed_retention_mean = 0.85;
  event.executed_cache_mean = 0.65;
  event.reason = "LENGTH_REACHED";
  const v1::StreamVideoResponse response = ToResponse(event, kNow, 2);
  const v1::SessionFinished& finished = response.finished();
  EXPECT_EQ(finished.chunks(), 3);
  EXPECT_EQ(finished.frames(), 33);
  EXPECT_EQ(finished.payload_bytes(), 1000);
  EXPECT_EQ(Milliseconds(finished.content_duration()), 2062);
  EXPECT_EQ(Milliseconds(finished.wall_duration()), 5000);
  EXPECT_EQ(Milliseconds(finished.time_to_first_chunk()), 900);
  EXPECT_EQ(finished.deadline_misses(), 2);
  EXPECT_EQ(finished.retention().nominal(), 0.8);
  EXPECT_EQ(finished.retention().executed(), 0.85);
  EXPECT_EQ(finished.retention().executed_cache(), 0.65);
  EXPECT_EQ(finished.reason(), "LENGTH_REACHED");
}

TEST(ResponseConversionTest, TheServersInfoTellsAllThatIsKnownOfTheModel) {
  ModelInfo model;
  model.name = "tiny";
  model.description = "small shapes";
  model.device = "cuda";
  model.width = 64;
  model.height = 48;
  model.frames_per_second = 12;
  model.first_chunk_frames = 9;
  model.chunk_frames = 13;
  model.denoise_steps = 3;
  model.budgets = {{10, 1.0}, {7, 0.73, 0.5}};
  model.cache_score = "saliency";
  model.vocabulary = {"circle", "red"};
  model.example_prompts = {"a red circle"};
  model.session_bytes = 12345;
  SchedulerLoad load;
  load.active_sessions = 6;
  load.measured_chunk_period = absl::Milliseconds(750);
  const ServerFacts facts = {"1.2.3", 8, 9, absl::Seconds(45), absl::Seconds(15)};
  const v1::GetServerInfoResponse info = ToServerInfo(model, RpcLimits(), facts, load);
  EXPECT_EQ(info.version(), "1.2.3");
  EXPECT_EQ(info.device(), "cuda");
  EXPECT_EQ(info.active_sessions(), 6);
  EXPECT_EQ(info.limits().idle_timeout().seconds(), 45);
  EXPECT_EQ(info.limits().idle_grace().seconds(), 15);
  EXPECT_EQ(Milliseconds(info.measured_chunk_period()), 750);
  EXPECT_EQ(info.model().name(), "tiny");
  EXPECT_EQ(info.model().description(), "small shapes");
  EXPECT_THAT(info.model().frames_per_second(), ElementsAre(12));
  EXPECT_EQ(info.model().first_chunk_frames(), 9);
  EXPECT_EQ(info.model().chunk_frames(), 13);
  EXPECT_EQ(info.model().denoise_steps(), 3);
  ASSERT_EQ(info.model().budgets_size(), 2);
  EXPECT_EQ(info.model().budgets(1).nominal(), 0.7);
  EXPECT_EQ(info.model().budgets(1).executed(), 0.73);
  EXPECT_EQ(info.model().budgets(0).cache(), 1.0);
  EXPECT_EQ(info.model().budgets(1).cache(), 0.5);
  EXPECT_EQ(info.model().cache_score(), "saliency");
  EXPECT_THAT(info.model().vocabulary(), ElementsAre("circle", "red"));
  EXPECT_THAT(info.model().example_prompts(), ElementsAre("a red circle"));
  EXPECT_EQ(info.model().session_bytes(), 12345);
  ASSERT_EQ(info.outputs_size(), 4);
  EXPECT_EQ(info.outputs(1).codec(), v1::CODEC_H264);
  EXPECT_EQ(info.outputs(1).container(), v1::CONTAINER_ANNEX_B);
  EXPECT_EQ(info.outputs(2).codec(), v1::CODEC_RAW_RGB24);
  EXPECT_EQ(info.outputs(2).container(), v1::CONTAINER_RAW);
}

}  // namespace
}  // namespace videodiffcr
