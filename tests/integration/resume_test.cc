// Sessions that outlive their connections, over real sockets, by the C++ client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "client/call_status.h"
#include "client/video_client.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

std::unique_ptr<VideoClient> Connect(const TestServer& server) {
  return *VideoClient::Connect(server.address(), absl::Seconds(20));
}

struct Received {
  std::vector<std::string> payloads;
  int64_t resumes = 0;
  absl::Status end;
};

// Reads a session to its end; the connection breaks behind each chunk with the chance `cut`.
Received ReadWithCuts(VideoClient* client, const v1::SessionConfig& config, double cut, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto call = client->StreamVideo(config);
  Received received;
  while (const auto response = call->Next()) {
    if (!response->has_chunk()) continue;
    EXPECT_EQ(response->chunk().sequence(), static_cast<int64_t>(received.payloads.size()));
    received.payloads.push_back(response->chunk().payload());
    if (std::generate_canonical<double, 32>(random) < cut) call->Break();
  }
  received.end = call->Finish();
  received.resumes = call->resumes();
  return received;
}

TEST(ResumeTest, ASessionWhoseConnectionBreaksAgainAndAgainArrivesWholeAndUnchanged) {
  ServerConfig config = TestConfig();
  // The fake model is faster than any viewer: the sockets take more chunks than are kept by default.
  config.replay_limits.chunks = 64;
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  const auto client = Connect(server);
  const Received whole = ReadWithCuts(client.get(), RawConfig(60, 7), 0, 1);
  ASSERT_TRUE(whole.end.ok()) << whole.end;
  ASSERT_EQ(whole.payloads.size(), 60u);
  const Received cut = ReadWithCuts(client.get(), RawConfig(60, 7), 0.3, 2);
  EXPECT_TRUE(cut.end.ok()) << cut.end;
  EXPECT_GT(cut.resumes, 5);
  EXPECT_EQ(cut.payloads, whole.payloads);
  EXPECT_EQ(server.Metric("videodiffcr_resumes_total{result=\"resumed\"}"), static_cast<double>(cut.resumes));
}

TEST(ResumeTest, ACancelOfTheClientEndsAResumableSessionAtOnce) {
  TestServer server;
  const auto client = Connect(server);
  const auto call = client->StreamVideo(WithChunkCredits(RawConfig(0, 1), 1));
  while (!call->Next()->has_chunk()) {
  }
  EXPECT_EQ(server.model().live_sessions(), 1);
  call->Cancel();
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
  while (call->Next().has_value()) {
  }
  EXPECT_TRUE(absl::IsCancelled(call->Finish())) << call->Finish();
}

TEST(ResumeTest, ASessionOutlivesTheAgeOfItsConnection) {
  ServerConfig config = TestConfig();
  config.max_connection_age = absl::Milliseconds(500);
  config.max_connection_age_grace = absl::Milliseconds(500);
  TestServer server(config);
  const auto client = Connect(server);
  v1::SessionConfig session = RawConfig(4, 1);  // three of them 0.75 s apart
  session.mutable_playout();
  session.set_run_ahead_limit_chunks(1);
  const Received received = ReadWithCuts(client.get(), session, 0, 1);
  EXPECT_TRUE(received.end.ok()) << received.end;
  EXPECT_EQ(received.payloads.size(), 4u);
  EXPECT_GT(received.resumes, 0);
}

TEST(ResumeTest, ControlsOfUnaryCallsReachASessionOfGenerateVideo) {
  TestServer server;
  const auto stub = v1::VideoGenerationService::NewStub(server.NewConnection());
  server.model().HoldPlans();
  grpc::ClientContext context;
  v1::GenerateVideoRequest request;
  *request.mutable_config() = RawConfig(50, 1);
  const auto stream = stub->GenerateVideo(&context, request);
  v1::GenerateVideoResponse response;
  ASSERT_TRUE(stream->Read(&response) && response.has_started());
  grpc::ClientContext update_context;
  v1::UpdateSessionRequest update;
  update.set_session_id(response.started().session_id());
  update.set_resume_token(response.started().resume_token());
  update.mutable_finish();
  v1::UpdateSessionResponse updated;
  const grpc::Status status = stub->UpdateSession(&update_context, update, &updated);
  EXPECT_TRUE(status.ok()) << status.error_message();
  server.model().FreePlans();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(response.finished().reason(), "FINISH_REQUESTED");
  EXPECT_TRUE(stream->Finish().ok());
}

TEST(ResumeTest, ABrokenGenerateVideoGoesOnByGenerateVideo) {
  TestServer server;
  const auto stub = v1::VideoGenerationService::NewStub(server.NewConnection());
  v1::GenerateVideoRequest request;
  *request.mutable_config() = RawConfig(5, 1);
  request.mutable_config()->set_resumable(true);
  std::vector<int64_t> sequences;
  v1::GenerateVideoResponse response;
  {
    grpc::ClientContext context;
    const auto stream = stub->GenerateVideo(&context, request);
    while (sequences.size() < 2 && stream->Read(&response)) {
      if (response.has_started()) request.mutable_resume()->set_resume_token(response.started().resume_token());
      if (response.has_chunk()) sequences.push_back(response.chunk().sequence());
    }
    context.TryCancel();
    while (stream->Read(&response)) {
    }
    (void)stream->Finish();
  }
  request.clear_config();
  request.mutable_resume()->set_last_sequence(1);
  grpc::ClientContext context;
  const auto stream = stub->GenerateVideo(&context, request);
  while (stream->Read(&response)) {
    if (response.has_chunk()) sequences.push_back(response.chunk().sequence());
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(sequences, ::testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(ResumeTest, WatchersSeeTheSessionOverTheWireToo) {
  TestServer server;
  const auto connection = server.NewConnection();
  TestStream owner(connection, WithChunkCredits(RawConfig(3, 1), 0));
  const auto started = owner.NextOf(v1::StreamVideoResponse::kStarted);
  ASSERT_TRUE(started.has_value());
  const auto stub = v1::VideoGenerationService::NewStub(connection);
  grpc::ClientContext context;
  v1::WatchSessionRequest request;
  request.set_session_id(started->started().session_id());
  request.set_watch_token(started->started().watch_token());
  const auto watch = stub->WatchSession(&context, request);
  v1::WatchSessionResponse response;
  ASSERT_TRUE(watch->Read(&response) && response.has_started());
  std::vector<std::string> watched, owned;
  for (int i = 0; i < 3; ++i) {
    owner.Send(ChunkCreditRequest(1));
    const auto chunk = owner.NextChunk();
    ASSERT_TRUE(chunk.has_value());
    owned.push_back(chunk->payload());
    ASSERT_TRUE(watch->Read(&response) && response.has_chunk());
    watched.push_back(response.chunk().payload());
  }
  EXPECT_EQ(watched, owned);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.finished().chunks(), 3);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_TRUE(watch->Finish().ok());
}

TEST(ResumeTest, ASessionThatIsAsOldAsItMayBeEndsWithAReason) {
  ServerConfig config = TestConfig();
  config.scheduler.session_lifetime = absl::Milliseconds(50);
  TestServer server(config);
  TestStream stream(server.NewConnection(), WithChunkCredits(RawConfig(0, 1), 2));
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(RefusalOf(stream.status()).reason, "SESSION_LIFETIME");
}

}  // namespace
}  // namespace videodiffcr
