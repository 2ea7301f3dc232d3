// A session that is cancelled, cut off, slow or failing goes alone: its memory comes back and nobody else notices. Over
// real sockets with the fake model.
#include <grpcpp/create_channel_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "tests/integration/loopback.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using Response = v1::StreamVideoResponse;

TEST(IsolationTest, ACancelledCallFreesItsSession) {
  TestServer server;
  TestStream stream(server.NewConnection(), SmallConfig(0));
  ASSERT_TRUE(stream.NextChunk().has_value());
  EXPECT_EQ(server.model().live_sessions(), 1);
  stream.Cancel();
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
  EXPECT_EQ(server.model().live_bytes(), 0);
}

TEST(IsolationTest, ACancelledClipFreesItsSessionToo) {
  TestServer server;
  server.model().HoldDecodes();
  const auto stub = v1::VideoGenerationService::NewStub(server.NewConnection());
  grpc::ClientContext context;
  v1::GenerateVideoRequest request;
  *request.mutable_config() = SmallConfig(1000);
  auto reader = stub->GenerateVideo(&context, request);
  v1::GenerateVideoResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_TRUE(response.has_started());
  ASSERT_TRUE(server.model().WaitForHeldDecode());
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(server.model().WaitForLiveSessions(0)) << "although its first chunk is not even decoded";
}

TEST(IsolationTest, ACallCancelledWhileItsSessionWaitsNeverRuns) {
  ServerConfig config = TestConfig();
  config.scheduler.max_sessions = 1;
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  const auto connection = server.NewConnection();
  server.model().HoldPlans();
  TestStream running(connection, SmallConfig(1, 11));
  ASSERT_TRUE(server.model().WaitForHeldPlan().has_value());
  TestStream waiting(connection, SmallConfig(1, 22));
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

TEST(IsolationTest, AConnectionThatBreaksFreesItsSessionsAndNobodyElses) {
  TestServer server;
  const int file = ConnectToLoopback(server.server().port());
  ASSERT_GE(file, 0);
  const int breaker = dup(file);  // gRPC owns the other one
  TestStream broken(grpc::CreateInsecureChannelFromFd("broken", file), WithChunkCredits(SmallConfig(0, 1), 1));
  ASSERT_TRUE(broken.WaitForState(v1::SESSION_STATE_BLOCKED));

  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(3, 2), 1));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  EXPECT_EQ(server.model().live_sessions(), 2);

  shutdown(breaker, SHUT_RDWR);
  close(breaker);
  EXPECT_TRUE(server.model().WaitForLiveSessions(1));
  stream.Send(ChunkCreditRequest(2));
  EXPECT_EQ(stream.NextOf(Response::kFinished)->finished().chunks(), 3);
}

TEST(IsolationTest, ASlowViewerHoldsOnlyItsOwnGeneration) {
  ServerConfig config = TestConfig();
  config.outbox_limits.high_chunks = 2;
  config.outbox_limits.low_chunks = 1;
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  constexpr int kChunks = 200;
  TestStream slow(server.NewConnection(), RawConfig(kChunks, 1));
  const auto first = slow.NextChunk();
  ASSERT_TRUE(first.has_value());
  // The slow one reads no more: 200 chunks of 110 KB are more than sockets and windows hold.
  ASSERT_TRUE(server.WaitForMetric("videodiffcr_sessions{model=\"fake\",priority=\"standard\",state=\"blocked\"}", 1));
  const auto quick_connection = server.NewConnection();
  for (int i = 0; i < 3; ++i) {
    TestStream quick(quick_connection, RawConfig(20, 2));
    EXPECT_TRUE(quick.status().ok());
  }
  EXPECT_EQ(server.Metric("videodiffcr_send_buffer_bytes{model=\"fake\"}"), 2 * first->payload().size() / 9 * 12)
      << "what was in the making when the second chunk came counts, too";
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

TEST(IsolationTest, AStepThatFailsEndsItsSessionWithAnErrorAndNoOtherOne) {
  TestServer server;
  server.model().FailStep(13, StepKind::kDenoise, 1, 2, absl::InternalError("the kernel did not like it"));
  const auto connection = server.NewConnection();
  TestStream failing(connection, SmallConfig(3, 13)), other(connection, SmallConfig(3, 14));
  EXPECT_TRUE(other.status().ok());
  const Refusal refusal = RefusalOf(failing.status());
  EXPECT_EQ(refusal.code, grpc::StatusCode::INTERNAL);
  EXPECT_EQ(refusal.reason, "GENERATION_FAILED");
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
}

}  // namespace
}  // namespace videodiffcr
