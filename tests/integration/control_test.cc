// Controls of a running session, and how sessions end, over real sockets with the fake model.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel_posix.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/integration/test_server.h"

namespace videodiffcr {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Request = v1::StreamVideoRequest;
using Response = v1::StreamVideoResponse;

v1::SessionConfig RawConfig(int length_chunks, uint64_t seed) {
  v1::SessionConfig config = SmallConfig(length_chunks, seed);
  config.mutable_output()->set_codec(v1::CODEC_RAW_RGB24);
  return config;
}

FrameIdentity IdentityOf(const v1::VideoChunk& chunk) {
  FrameChunk frames;
  frames.width = 64;
  frames.height = 48;
  frames.frame_count = chunk.frame_count();
  frames.pixels.assign(chunk.payload().begin(), chunk.payload().end());
  return ReadFrameIdentity(frames, 0);
}

Request CreditRequest(int64_t chunks) {
  Request request;
  request.mutable_credit()->set_chunks(chunks);
  return request;
}

// Reads until the session says that it is in this state.
bool WaitForState(TestStream& stream, v1::SessionState state) {
  while (const auto response = stream.NextOf(Response::kStateChanged)) {
    if (response->state_changed().state() == state) return true;
  }
  return false;
}

TEST(ControlTest, GenerationStopsWhenCreditsAreSpentAndGoesOnWithNewOnes) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(4);
  config.set_initial_chunk_credits(2);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  const int64_t plans = server.model().plans_run();
  // Somebody else's whole session fits into the pause, and the blocked one takes no step meanwhile.
  auto other_stub = server.NewStub();
  TestStream other(other_stub.get());
  other.SendConfig(SmallConfig(1, 99));
  EXPECT_TRUE(other.status().ok());
  EXPECT_LE(server.model().plans_run(), plans + 6) << "text, four passes, one context pass";
  stream.Send(CreditRequest(2));
  const auto finished = stream.NextOf(Response::kFinished);
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->finished().chunks(), 4);
}

TEST(ControlTest, ByteCreditsStopGenerationToo) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = RawConfig(3, 5);
  config.set_initial_byte_credits(1);
  stream.SendConfig(config);
  ASSERT_TRUE(stream.NextChunk().has_value()) << "the chunk that crosses the line is still sent";
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request more;
  more.mutable_credit()->set_bytes(int64_t{1} << 30);
  stream.Send(more);
  EXPECT_EQ(stream.NextOf(Response::kFinished)->finished().chunks(), 3);
}

TEST(ControlTest, APausedSessionMakesNoChunkUntilUnpaused) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(0);
  config.set_initial_chunk_credits(1);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request pause;
  pause.mutable_pause();
  stream.Send(pause);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_PAUSED));
  const int64_t plans = server.model().plans_run();
  stream.Send(CreditRequest(1));
  // Messages of one stream keep their order, so when the unpause is answered the credit was taken over, too.
  EXPECT_EQ(server.model().plans_run(), plans);
  Request unpause;
  unpause.mutable_unpause();
  stream.Send(unpause);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_GENERATING));
  EXPECT_EQ(stream.NextChunk()->sequence(), 1);
}

TEST(ControlTest, APromptUpdateNamesTheFirstChunkItChanges) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = RawConfig(5, 5);
  config.set_initial_chunk_credits(2);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request update;
  update.mutable_update()->set_prompt("a blue square");
  update.mutable_update()->set_update_id(77);
  stream.Send(update);
  stream.Send(CreditRequest(3));
  const auto applied = stream.NextOf(Response::kUpdateApplied);
  ASSERT_TRUE(applied.has_value());
  EXPECT_EQ(applied->update_applied().update_id(), 77);
  EXPECT_EQ(applied->update_applied().first_chunk(), 2);
  while (const auto chunk = stream.NextChunk()) {
    EXPECT_EQ(IdentityOf(*chunk).prompt_hash,
              HashPrompt(chunk->sequence() < 2 ? "a red circle moves right" : "a blue square"));
  }
  EXPECT_TRUE(stream.status().ok());
}

TEST(ControlTest, ABudgetUpdateChangesTheRetentionOfLaterChunks) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = RawConfig(4, 5);
  config.set_initial_chunk_credits(2);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request update;
  update.mutable_update()->set_retention_target(0.7);
  stream.Send(update);
  stream.Send(CreditRequest(2));
  bool told = false;
  for (const Response& response : stream.Rest()) {
    if (response.has_budget_changed()) {
      told = true;
      EXPECT_EQ(response.budget_changed().retention_target(), 0.7);
      EXPECT_EQ(response.budget_changed().first_chunk(), 2);
      EXPECT_EQ(response.budget_changed().origin(), v1::BUDGET_ORIGIN_CLIENT);
    }
    if (response.has_chunk() && response.chunk().sequence() >= 2) {
      EXPECT_EQ(response.chunk().retention().nominal(), 0.7);
      EXPECT_LT(response.chunk().retention().executed(), 1.0);
      EXPECT_EQ(IdentityOf(response.chunk()).budget, 7);
    }
  }
  EXPECT_TRUE(told);
}

TEST(ControlTest, ASceneCutBeginsANewSceneAtTheNextChunk) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(4);
  config.set_initial_chunk_credits(2);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request cut;
  cut.mutable_scene_cut()->set_prompt("a blue square");
  cut.mutable_scene_cut()->set_update_id(8);
  stream.Send(cut);
  stream.Send(CreditRequest(2));
  EXPECT_EQ(stream.NextOf(Response::kUpdateApplied)->update_applied().first_chunk(), 2);
  const auto first = stream.NextChunk();
  EXPECT_TRUE(first->scene_start());
  EXPECT_EQ(first->frame_count(), 9) << "the first chunk of a scene is shorter";
  const auto second = stream.NextChunk();
  EXPECT_FALSE(second->scene_start());
  EXPECT_EQ(second->first_frame(), first->first_frame() + 9);
  EXPECT_TRUE(stream.status().ok());
}

TEST(ControlTest, FinishEndsTheSessionAfterTheChunkInProgress) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(0);
  config.set_initial_chunk_credits(3);
  stream.SendConfig(config);
  EXPECT_EQ(stream.NextOf(Response::kStarted)->started().length_chunks(), 0);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request finish;
  finish.mutable_finish();
  stream.Send(finish);
  const auto finished = stream.NextOf(Response::kFinished);
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->finished().chunks(), 3);
  EXPECT_EQ(finished->finished().reason(), "FINISH_REQUESTED");
  EXPECT_TRUE(stream.status().ok());
}

TEST(ControlTest, UnknownWordsOfANewPromptAreAWarning) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.vocabulary = {"a", "red", "circle", "moves", "right"};
  TestServer server(TestConfig(), info);
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(2);
  config.set_initial_chunk_credits(1);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  Request update;
  update.mutable_update()->set_prompt("a purple circle");
  stream.Send(update);
  const auto warning = stream.NextOf(Response::kWarning);
  ASSERT_TRUE(warning.has_value());
  EXPECT_EQ(warning->warning().reason(), "UNKNOWN_WORDS");
  EXPECT_THAT(warning->warning().details(), testing::ElementsAre("purple"));
}

TEST(ControlTest, ControlsThatCrossTheEndOfTheSessionOnTheirWayAreNoError) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(2);
  config.set_initial_chunk_credits(1);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  // The last credit ends the session; what follows it comes to a session that is finishing or gone.
  stream.Send(CreditRequest(1));
  for (int i = 0; i < 10; ++i) stream.Send(CreditRequest(1));
  Request pause;
  pause.mutable_finish();
  stream.Send(pause);
  EXPECT_TRUE(stream.status().ok()) << stream.status().error_message();
}

TEST(ControlTest, ACancelledCallFreesItsSession) {
  TestServer server;
  auto stub = server.NewStub();
  TestStream stream(stub.get());
  stream.SendConfig(SmallConfig(0));
  ASSERT_TRUE(stream.NextChunk().has_value());
  EXPECT_EQ(server.model().live_sessions(), 1);
  stream.Cancel();
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
  EXPECT_EQ(server.model().live_bytes(), 0);
}

TEST(ControlTest, ACallCancelledWhileItsSessionWaitsNeverRuns) {
  ServerConfig config = TestConfig();
  config.scheduler.max_sessions = 1;
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  auto stub = server.NewStub();
  server.model().HoldPlans();
  TestStream running(stub.get());
  running.SendConfig(SmallConfig(1, 11));
  ASSERT_TRUE(server.model().WaitForHeldPlan().has_value());
  TestStream waiting(stub.get());
  waiting.SendConfig(SmallConfig(1, 22));
  ASSERT_TRUE(waiting.NextOf(Response::kStarted).has_value());
  waiting.Cancel();
  EXPECT_EQ(waiting.status().error_code(), grpc::StatusCode::CANCELLED);
  // The client knows before the server does.
  ASSERT_TRUE(server.WaitForMetric("videodiffcr_grpc_requests_total{code=\"CANCELLED\",method=\"StreamVideo\"}", 1));
  server.model().FreePlans();
  EXPECT_TRUE(running.status().ok());
  for (const auto& plan : server.model().plans()) {
    for (const ObservedStep& step : plan) EXPECT_EQ(step.seed, 11u);
  }
}

TEST(ControlTest, AConnectionThatBreaksFreesItsSessionsAndNobodyElses) {
  TestServer server;
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server.server().port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(file, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const int breaker = dup(file);  // gRPC owns the other one
  auto broken_stub = v1::VideoGenerationService::NewStub(grpc::CreateInsecureChannelFromFd("broken", file));
  TestStream broken(broken_stub.get());
  v1::SessionConfig endless = SmallConfig(0, 1);
  endless.set_initial_chunk_credits(1);
  ASSERT_TRUE(broken.SendConfig(endless));
  ASSERT_TRUE(WaitForState(broken, v1::SESSION_STATE_BLOCKED));

  auto stub = server.NewStub();
  TestStream stream(stub.get());
  v1::SessionConfig config = SmallConfig(3, 2);
  config.set_initial_chunk_credits(1);
  stream.SendConfig(config);
  ASSERT_TRUE(WaitForState(stream, v1::SESSION_STATE_BLOCKED));
  EXPECT_EQ(server.model().live_sessions(), 2);

  shutdown(breaker, SHUT_RDWR);
  close(breaker);
  EXPECT_TRUE(server.model().WaitForLiveSessions(1));
  stream.Send(CreditRequest(2));
  EXPECT_EQ(stream.NextOf(Response::kFinished)->finished().chunks(), 3);
}

TEST(ControlTest, ASlowViewerHoldsOnlyItsOwnGeneration) {
  ServerConfig config = TestConfig();
  config.outbox_limits.high_chunks = 2;
  config.outbox_limits.low_chunks = 1;
  TestServer server(config);
  constexpr int kChunks = 200;
  auto slow_stub = server.NewStub();
  TestStream slow(slow_stub.get());
  slow.SendConfig(RawConfig(kChunks, 1));
  ASSERT_TRUE(slow.NextChunk().has_value());
  // The slow one reads no more: 200 chunks of 110 KB are more than sockets and windows hold.
  auto quick_stub = server.NewStub();
  for (int i = 0; i < 3; ++i) {
    TestStream quick(quick_stub.get());
    quick.SendConfig(RawConfig(20, 2));
    EXPECT_TRUE(quick.status().ok());
  }
  int64_t slow_chunks = 0;
  for (const auto& plan : server.model().plans()) {
    for (const ObservedStep& step : plan) {
      if (step.seed == 1) slow_chunks = std::max(slow_chunks, step.step.chunk);
    }
  }
  EXPECT_LT(slow_chunks, kChunks - 50) << "generation ran on although nobody read";
  // When it reads again, it gets all of it, in order.
  int64_t next = 1;
  while (const auto chunk = slow.NextChunk()) {
    EXPECT_EQ(chunk->sequence(), next++);
    EXPECT_EQ(IdentityOf(*chunk).chunk, chunk->sequence());
  }
  EXPECT_EQ(next, kChunks);
  EXPECT_TRUE(slow.status().ok());
}

TEST(ControlTest, AStepThatFailsEndsItsSessionWithAnErrorAndNoOtherOne) {
  TestServer server;
  server.model().FailStep(13, StepKind::kDenoise, 1, 2, absl::InternalError("the kernel did not like it"));
  auto stub = server.NewStub();
  TestStream failing(stub.get()), other(stub.get());
  failing.SendConfig(SmallConfig(3, 13));
  other.SendConfig(SmallConfig(3, 14));
  EXPECT_TRUE(other.status().ok());
  EXPECT_EQ(failing.status().error_code(), grpc::StatusCode::INTERNAL);
  const auto info = DetailOf<google::rpc::ErrorInfo>(failing.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "GENERATION_FAILED");
  EXPECT_EQ(info->domain(), "videodiffcr");
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
}

}  // namespace
}  // namespace videodiffcr
