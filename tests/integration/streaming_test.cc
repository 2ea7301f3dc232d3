// StreamVideo and GenerateVideo over real sockets, with the fake model: what a well-behaved client sees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "checksum/crc32c.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"
#include "tests/server/media/video_judge.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Response = v1::StreamVideoResponse;

double Seconds(const google::protobuf::Duration& duration) { return duration.seconds() + duration.nanos() * 1e-9; }

std::string FileOf(const std::vector<v1::VideoChunk>& chunks) {
  std::string bytes;
  for (const v1::VideoChunk& chunk : chunks) bytes += chunk.init_segment() + chunk.payload();
  return bytes;
}

TEST(StreamingTest, ASessionIsStartedThenItsChunksThenFinishedWithTotals) {
  TestServer server;
  TestStream stream(server.NewConnection(), SmallConfig(3, 42));
  const std::vector<Response> responses = stream.Rest();
  ASSERT_TRUE(stream.status().ok()) << stream.status().error_message();

  ASSERT_FALSE(responses.empty());
  ASSERT_TRUE(responses.front().has_started());
  const v1::SessionStarted& started = responses.front().started();
  EXPECT_NE(started.session_id(), "");
  EXPECT_EQ(started.seed(), 42u);
  EXPECT_EQ(started.width(), 64);
  EXPECT_EQ(started.height(), 48);
  EXPECT_EQ(started.frames_per_second(), 16);
  EXPECT_EQ(started.first_chunk_frames(), 9);
  EXPECT_EQ(started.chunk_frames(), 12);
  EXPECT_EQ(started.codec(), v1::CODEC_H264);
  EXPECT_EQ(started.container(), v1::CONTAINER_FRAGMENTED_MP4);
  EXPECT_EQ(started.codec_string().substr(0, 5), "avc1.");
  EXPECT_EQ(started.length_chunks(), 3);
  EXPECT_EQ(started.retention_target(), 1.0);

  const std::vector<v1::VideoChunk> chunks = ChunksOf(responses);
  ASSERT_THAT(chunks, SizeIs(3));
  int64_t frame = 0, payload_bytes = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].sequence(), static_cast<int64_t>(i));
    EXPECT_EQ(chunks[i].first_frame(), frame);
    EXPECT_EQ(chunks[i].frame_count(), i == 0 ? 9 : 12);
    EXPECT_DOUBLE_EQ(Seconds(chunks[i].presentation_start()), frame / 16.0);
    EXPECT_DOUBLE_EQ(Seconds(chunks[i].presentation_duration()), chunks[i].frame_count() / 16.0);
    EXPECT_TRUE(chunks[i].keyframe());
    EXPECT_EQ(chunks[i].scene_start(), i == 0);
    EXPECT_EQ(chunks[i].payload_crc32c(), Crc32c(chunks[i].payload()));
    EXPECT_EQ(chunks[i].init_segment().empty(), i != 0);
    EXPECT_GT(Seconds(chunks[i].timings().encode()), 0);
    EXPECT_GT(Seconds(chunks[i].timings().total()), Seconds(chunks[i].timings().encode()));
    EXPECT_FALSE(chunks[i].has_slack()) << "no playout, no deadline";
    frame += chunks[i].frame_count();
    payload_bytes += static_cast<int64_t>(chunks[i].payload().size());
  }

  ASSERT_TRUE(responses.back().has_finished());
  const v1::SessionFinished& finished = responses.back().finished();
  EXPECT_EQ(finished.chunks(), 3);
  EXPECT_EQ(finished.frames(), 33);
  EXPECT_EQ(finished.payload_bytes(), payload_bytes);
  EXPECT_DOUBLE_EQ(Seconds(finished.content_duration()), 33 / 16.0);
  EXPECT_GT(Seconds(finished.time_to_first_chunk()), 0);
  EXPECT_GE(Seconds(finished.wall_duration()), Seconds(finished.time_to_first_chunk()));
  EXPECT_EQ(finished.reason(), "LENGTH_REACHED");
  EXPECT_EQ(finished.deadline_misses(), 0);
  EXPECT_THAT(server.model().broken_rules(), IsEmpty());
}

TEST(StreamingTest, FfprobeAgreesWithWhatTheChunksSay) {
  TestServer server;
  TestStream stream(server.NewConnection(), SmallConfig(3));
  const std::vector<v1::VideoChunk> chunks = ChunksOf(stream.Rest());
  ASSERT_THAT(chunks, SizeIs(3));
  const JudgedVideo video = ProbeVideo(FileOf(chunks), "mp4");
  ASSERT_EQ(video.frames.size(), 33u);
  size_t frame = 0;
  for (const v1::VideoChunk& chunk : chunks) {
    for (int i = 0; i < chunk.frame_count(); ++i, ++frame) {
      EXPECT_EQ(video.frames[frame].keyframe, i == 0) << "frame " << frame;
      EXPECT_NEAR(video.frames[frame].time_seconds, Seconds(chunk.presentation_start()) + i / 16.0, 1e-6);
      EXPECT_EQ(video.frames[frame].width, 64);
      EXPECT_EQ(video.frames[frame].height, 48);
    }
  }
  EXPECT_THAT(ProbeVideo(chunks[0].init_segment() + chunks[1].payload(), "mp4").frames, SizeIs(12))
      << "a chunk cut out decodes alone";
}

TEST(StreamingTest, GenerateVideoSendsTheSameBytesAsStreamVideo) {
  TestServer server;
  const auto connection = server.NewConnection();
  TestStream stream(connection, SmallConfig(2, 7));
  const std::string streamed = FileOf(ChunksOf(stream.Rest()));

  grpc::ClientContext context;
  v1::GenerateVideoRequest request;
  *request.mutable_config() = SmallConfig(2, 7);
  request.mutable_config()->set_initial_chunk_credits(0);  // ignored in this call
  const auto stub = v1::VideoGenerationService::NewStub(connection);
  auto reader = stub->GenerateVideo(&context, request);
  std::string generated;
  v1::GenerateVideoResponse response, last;
  bool first = true;
  while (reader->Read(&response)) {
    EXPECT_EQ(response.has_started(), std::exchange(first, false));
    if (response.has_chunk()) generated += response.chunk().init_segment() + response.chunk().payload();
    last = response;
  }
  ASSERT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(last.has_finished());
  EXPECT_FALSE(generated.empty());
  EXPECT_TRUE(generated == streamed);
}

TEST(StreamingTest, TheResponsesOfBothCallsHaveTheSameFieldsUnderTheSameNumbers) {
  const auto* stream = v1::StreamVideoResponse::descriptor();
  const auto* generate = v1::GenerateVideoResponse::descriptor();
  ASSERT_EQ(stream->field_count(), generate->field_count());
  for (int i = 0; i < stream->field_count(); ++i) {
    EXPECT_EQ(stream->field(i)->DebugString(), generate->field(i)->DebugString());
  }
}

TEST(StreamingTest, TheServerPicksASeedWhenTheClientDoesNot) {
  TestServer server;
  uint64_t seeds[2];
  for (uint64_t& seed : seeds) {
    TestStream stream(server.NewConnection(), SmallConfig(1, 0));
    seed = stream.NextOf(Response::kStarted)->started().seed();
    EXPECT_NE(seed, 0u);
    EXPECT_TRUE(stream.status().ok());
  }
  EXPECT_NE(seeds[0], seeds[1]);
}

TEST(StreamingTest, ManyViewersAtOnceEachGetTheirOwnVideo) {
  TestServer server;
  constexpr int kViewers = 12;
  std::vector<std::unique_ptr<TestStream>> streams;
  for (int viewer = 0; viewer < kViewers; ++viewer) {
    streams.push_back(std::make_unique<TestStream>(server.NewConnection(), RawConfig(4, 100 + viewer)));
  }
  for (int viewer = 0; viewer < kViewers; ++viewer) {
    const std::vector<v1::VideoChunk> chunks = ChunksOf(streams[viewer]->Rest());
    ASSERT_THAT(chunks, SizeIs(4));
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(IdentityOf(chunks[i]).seed, 100u + viewer);
      EXPECT_EQ(IdentityOf(chunks[i]).chunk, i);
    }
  }
  EXPECT_THAT(server.model().broken_rules(), IsEmpty());
}

TEST(StreamingTest, ClosingTheSendingSideChangesNothing) {
  TestServer server;
  TestStream stream(server.NewConnection(), SmallConfig(2));
  stream.CloseSending();
  EXPECT_THAT(ChunksOf(stream.Rest()), SizeIs(2));
  EXPECT_TRUE(stream.status().ok());
}

TEST(StreamingTest, EveryFormatArrivesAsItWasAskedFor) {
  TestServer server;
  for (const auto& [codec, container, bytes] :
       {std::tuple(v1::CODEC_RAW_RGB24, v1::CONTAINER_UNSPECIFIED, 9 * 64 * 48 * 3),
        std::tuple(v1::CODEC_RAW_YUV420P, v1::CONTAINER_RAW, 9 * 64 * 48 * 3 / 2),
        std::tuple(v1::CODEC_H264, v1::CONTAINER_ANNEX_B, 0)}) {
    v1::SessionConfig config = SmallConfig(1);
    config.mutable_output()->set_codec(codec);
    config.mutable_output()->set_container(container);
    TestStream stream(server.NewConnection(), config);
    const auto chunk = stream.NextChunk();
    ASSERT_TRUE(chunk.has_value()) << stream.status().error_message();
    if (bytes == 0) {
      EXPECT_THAT(ProbeVideo(chunk->payload(), "h264").frames, SizeIs(9));
    } else {
      EXPECT_EQ(chunk->payload().size(), bytes);
    }
    EXPECT_EQ(chunk->init_segment(), "");
  }
}

TEST(StreamingTest, WithPlayoutLaterChunksTellTheirSlack) {
  TestServer server;
  v1::SessionConfig config = SmallConfig(2);
  config.mutable_playout()->mutable_start_buffer()->set_seconds(5);
  TestStream stream(server.NewConnection(), config);
  ASSERT_TRUE(stream.NextChunk().has_value());
  const auto chunk = stream.NextChunk();
  ASSERT_TRUE(chunk.has_value());
  ASSERT_TRUE(chunk->has_slack());
  EXPECT_GT(Seconds(chunk->slack()), 0);
  EXPECT_LE(Seconds(chunk->slack()), 5 + 9 / 16.0 + 1e-6);
}

TEST(StreamingTest, UnknownWordsAreAWarningAndNoError) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.vocabulary = {"a", "red", "circle", "moves", "right"};
  TestServer server(TestConfig(), info);
  v1::SessionConfig config = SmallConfig(1);
  config.set_prompt("a red hippopotamus moves right");
  TestStream stream(server.NewConnection(), config);
  const auto warning = stream.NextOf(Response::kWarning);
  ASSERT_TRUE(warning.has_value()) << "no warning came";
  EXPECT_EQ(warning->warning().reason(), "UNKNOWN_WORDS");
  EXPECT_THAT(warning->warning().details(), ElementsAre("hippopotamus"));
  EXPECT_TRUE(stream.status().ok());
}

TEST(StreamingTest, APromptThatTheModelCutsIsAWarningThatSaysHowMuch) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.max_prompt_tokens = 4;
  TestServer server(TestConfig(), info);
  server.model().CutLongPrompts();
  v1::SessionConfig config = SmallConfig(1);
  config.set_prompt("one two three four five");
  TestStream stream(server.NewConnection(), config);
  const auto warning = stream.NextOf(Response::kWarning);
  ASSERT_TRUE(warning.has_value()) << "no warning came";
  EXPECT_EQ(warning->warning().reason(), "PROMPT_CUT");
  EXPECT_THAT(warning->warning().message(), HasSubstr("the last 2 tokens of the prompt were cut"));
  EXPECT_THAT(warning->warning().details(), ElementsAre("2"));
  EXPECT_TRUE(stream.status().ok());
}

TEST(StreamingTest, GetServerInfoTellsTheModelTheFormatsAndEveryLimit) {
  ServerConfig config = TestConfig();
  config.rpc_limits.max_prompt_bytes = 1000;
  config.rpc_limits.max_first_message_bytes = 100'000;
  config.rpc_limits.max_control_message_bytes = 2000;
  config.rpc_limits.control_messages_per_second = 7.5;
  config.rpc_limits.control_message_burst = 9;
  config.rpc_limits.first_message_timeout = absl::Milliseconds(1500);
  config.rpc_limits.max_sessions_per_connection = 5;
  config.rpc_limits.max_length_chunks = 77;
  config.scheduler.max_sessions = 11;
  config.scheduler.max_waiting_sessions = 3;
  TestServer server(config);
  const auto connection = server.NewConnection();
  const auto stub = v1::VideoGenerationService::NewStub(connection);
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(stub->GetServerInfo(&context, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_EQ(info.version(), "0.1.0");
  EXPECT_EQ(info.model().name(), FakeVideoModel::SmallInfo().name);
  ASSERT_THAT(info.model().resolutions(), SizeIs(1));
  EXPECT_EQ(info.model().resolutions(0).width(), 64);
  EXPECT_EQ(info.model().resolutions(0).height(), 48);
  EXPECT_THAT(info.model().frames_per_second(), ElementsAre(16));
  EXPECT_THAT(info.model().budgets(), SizeIs(4));
  EXPECT_EQ(info.model().budgets(0).nominal(), 1.0);
  EXPECT_THAT(info.outputs(), SizeIs(4));
  EXPECT_EQ(info.limits().max_prompt_bytes(), 1000);
  EXPECT_EQ(info.limits().max_prompt_tokens(), FakeVideoModel::SmallInfo().max_prompt_tokens);
  EXPECT_EQ(info.limits().max_first_message_bytes(), 100'000);
  EXPECT_EQ(info.limits().max_control_message_bytes(), 2000);
  EXPECT_EQ(info.limits().max_control_messages_per_second(), 7.5);
  EXPECT_EQ(info.limits().max_control_message_burst(), 9);
  EXPECT_DOUBLE_EQ(Seconds(info.limits().first_message_timeout()), 1.5);
  EXPECT_EQ(info.limits().max_sessions_per_connection(), 5);
  EXPECT_EQ(info.limits().min_ping_interval().seconds(), 5);
  EXPECT_EQ(info.limits().max_length_chunks(), 77);
  EXPECT_EQ(info.limits().max_sessions(), 11);
  EXPECT_EQ(info.limits().max_waiting_sessions(), 3);
  EXPECT_FALSE(info.has_measured_chunk_period()) << "nothing was measured yet";
  TestStream stream(connection, SmallConfig(2));
  stream.Rest();
  grpc::ClientContext again;
  ASSERT_TRUE(stub->GetServerInfo(&again, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_TRUE(info.has_measured_chunk_period());
}

TEST(StreamingTest, NoLimitIsLeftOutOfGetServerInfo) {
  ServerConfig config = TestConfig();
  config.scheduler.idle_grace = absl::Seconds(30);
  TestServer server(config);
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  const auto stub = v1::VideoGenerationService::NewStub(server.NewConnection());
  ASSERT_TRUE(stub->GetServerInfo(&context, v1::GetServerInfoRequest(), &info).ok());
  const v1::ServerLimits& limits = info.limits();
  const google::protobuf::Descriptor& all = *limits.GetDescriptor();
  for (int i = 0; i < all.field_count(); ++i) {
    const bool of_a_tenant = all.field(i)->name().rfind("tenant_", 0) == 0;
    EXPECT_NE(limits.GetReflection()->HasField(limits, all.field(i)), of_a_tenant) << all.field(i)->name();
  }
}

}  // namespace
}  // namespace videodiffcr
