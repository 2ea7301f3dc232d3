// Limits of calls, connections and the server, over real sockets with the fake model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/loopback.h"
#include "tests/integration/raw_call.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Response = v1::StreamVideoResponse;

// A time that a client which is not at fault keeps, on a busy machine and under a sanitizer as well.
constexpr absl::Duration kMoreThanAPause = absl::Seconds(1);

// A config of a session that makes one chunk and then stays.
v1::SessionConfig StayingConfig(uint64_t seed) { return WithChunkCredits(SmallConfig(0, seed), 1); }

TEST(LimitsTest, ACallWithoutAFirstMessageEndsAfterTheTimeout) {
  ServerConfig config = TestConfig();
  config.rpc_limits.first_message_timeout = kMoreThanAPause;
  TestServer server(config);
  const auto connection = server.NewConnection();
  TestStream silent(connection);
  EXPECT_EQ(silent.status().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(RefusalOf(silent.status()).reason, "FIRST_MESSAGE_TIMEOUT");
  TestStream quick(connection, SmallConfig(2));
  EXPECT_TRUE(quick.status().ok()) << "one that spoke in time runs on";
}

TEST(LimitsTest, ASessionThatItsClientHoldsBackEndsAfterTheIdleTimeWithAReasonOfItsOwn) {
  ServerConfig config = TestConfig();
  config.scheduler.idle_timeout = kMoreThanAPause;
  TestServer server(config);
  TestStream without_credits(server.NewConnection(), StayingConfig(1));
  EXPECT_TRUE(without_credits.NextChunk().has_value());
  EXPECT_EQ(without_credits.status().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(RefusalOf(without_credits.status()).reason, "SESSION_IDLE");
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
}

TEST(LimitsTest, AResumableSessionThatWasIdleIsWaitedForAndGoesOnFromItsLastSnapshot) {
  ServerConfig config = TestConfig();
  config.scheduler.idle_timeout = config.scheduler.idle_grace = kMoreThanAPause;
  TestServer server(config);
  v1::SessionConfig resumable = StayingConfig(1);
  resumable.set_resumable(true);
  TestStream idle(server.NewConnection(), resumable);
  EXPECT_TRUE(idle.NextChunk().has_value());
  EXPECT_TRUE(idle.WaitForState(v1::SESSION_STATE_WAITING));
  const auto snapshot = idle.NextOf(Response::kSnapshot);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(idle.status().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(RefusalOf(idle.status()).reason, "SESSION_IDLE");
  TestStream again(server.NewConnection());
  v1::StreamVideoRequest resume;
  *resume.mutable_resume()->mutable_snapshot() = snapshot->snapshot();
  ASSERT_TRUE(again.Send(resume));
  ASSERT_TRUE(again.Send(ChunkCreditRequest(1)));
  const std::optional<v1::VideoChunk> next = again.NextChunk();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->sequence(), 1);
}

// It holds memory that no limit on sessions counts any more.
TEST(LimitsTest, AClientThatDoesNotReadTheLastBytesOfItsSessionIsCutOff) {
  ServerConfig config = TestConfig();
  config.scheduler.idle_timeout = absl::Milliseconds(50);
  config.drain_timeout = absl::Minutes(10);
  TestServer server(config);
  server.model().HoldPlans();
  TestStream stopped(server.NewConnection(), RawConfig(0, 1));  // more bytes than a connection takes unread
  ASSERT_TRUE(server.model().WaitForHeldPlan().has_value());
  server.model().FreePlans();
  ASSERT_TRUE(server.model().WaitForLiveSessions(0));
  server.Drain();  // waits for every call
  EXPECT_EQ(stopped.status().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(LimitsTest, NoMethodWaitsLongerForItsFirstMessage) {
  ServerConfig config = TestConfig();
  config.rpc_limits.first_message_timeout = absl::Milliseconds(50);
  TestServer server(config);
  const auto connection = server.NewConnection();
  for (const char* method : {"StreamVideo", "GenerateVideo", "GetServerInfo"}) {
    RawCall silent(connection, absl::StrCat("videodiffcr.v1.VideoGenerationService/", method));
    const grpc::Status status = silent.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << method;
    EXPECT_EQ(RefusalOf(status).reason, "FIRST_MESSAGE_TIMEOUT") << method;
  }
}

TEST(LimitsTest, SilentCallsThatAreTooManyCrowdOutOneAnother) {
  ServerConfig config = TestConfig();
  config.rpc_limits.max_streams_in_first_message = 2;
  config.rpc_limits.first_message_timeout = absl::Seconds(2);
  TestServer server(config);
  const auto greedy = server.NewConnection(), other = server.NewConnection();
  TestStream first(greedy), second(greedy), third(greedy);
  TestStream quick(other, SmallConfig(1));
  EXPECT_TRUE(quick.status().ok()) << "one that speaks is let in";
  // Which of them came first is for gRPC's threads to say; those that are not crowded out time out.
  int crowded_out = 0;
  for (TestStream* silent : {&first, &second, &third}) {
    if (silent->status().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      EXPECT_EQ(RefusalOf(silent->status()).reason, "TOO_MANY_SILENT_CALLS");
      ++crowded_out;
    }
  }
  EXPECT_GE(crowded_out, 1);
}

TEST(LimitsTest, CompressedMessagesAreRefusedUnreadByEveryMethod) {
  TestServer server;
  grpc::ChannelArguments arguments;
  arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
  const auto connection = grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
  for (const char* method :
       {"videodiffcr.v1.VideoGenerationService/StreamVideo", "videodiffcr.v1.VideoGenerationService/GenerateVideo",
        "videodiffcr.v1.VideoGenerationService/GetServerInfo", "videodiffcr.v1.VideoGenerationService/UpdateSession",
        "videodiffcr.v1.VideoGenerationService/CancelSession", "videodiffcr.v1.VideoGenerationService/WatchSession",
        "grpc.health.v1.Health/Check", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    RawCall call(connection, method);
    call.SendLast(std::string(100'000, 'x'));
    EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
  }
}

TEST(LimitsTest, AConnectionMayHaveOnlySoManySessions) {
  ServerConfig config = TestConfig();
  config.rpc_limits.max_sessions_per_connection = 2;
  TestServer server(config);
  const auto connection = server.NewConnection();
  TestStream first(connection, StayingConfig(1));
  ASSERT_TRUE(first.NextChunk().has_value());
  {
    TestStream second(connection, StayingConfig(2));
    ASSERT_TRUE(second.NextChunk().has_value());
    TestStream third(connection, StayingConfig(3));
    EXPECT_EQ(third.status().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(RefusalOf(third.status()).reason, "TOO_MANY_SESSIONS_ON_CONNECTION");
    const auto quota = DetailOf<google::rpc::QuotaFailure>(third.status());
    ASSERT_TRUE(quota.has_value());
    EXPECT_EQ(quota->violations(0).subject().substr(0, 11), "connection:");
    TestStream elsewhere(server.NewConnection(), SmallConfig(1, 4));
    EXPECT_TRUE(elsewhere.status().ok());
    second.Cancel();
  }
  ASSERT_TRUE(server.model().WaitForLiveSessions(1));
  TestStream again(connection, SmallConfig(1, 5));
  EXPECT_TRUE(again.status().ok()) << "a place that was given back can be had again";
}

TEST(LimitsTest, BehindAProxyTheSessionsOfAConnectionAreNotCounted) {
  ServerConfig config = TestConfig();
  config.rpc_limits.max_sessions_per_connection = 1;
  config.rpc_limits.behind_proxy = true;
  TestServer server(config);
  const auto connection = server.NewConnection();
  TestStream first(connection, StayingConfig(1)), second(connection, StayingConfig(2));
  EXPECT_TRUE(first.NextChunk().has_value());
  EXPECT_TRUE(second.NextChunk().has_value());
}

// HTTP/2 by hand: a client that pings as fast as it can, on a connection without a call. What the server says until it
// has answered all pings or ends the connection.
std::string AnswersToPings(int port, int pings) {
  const std::string ping("\0\0\10\6\0\0\0\0\0abcdefgh", 17);
  std::string hello(kHttp2Greeting);
  for (int i = 0; i < pings; ++i) hello += ping;
  const int file = ConnectToLoopback(port);
  EXPECT_EQ(write(file, hello.data(), hello.size()), static_cast<ssize_t>(hello.size()));
  std::string answers;
  const auto answered = [&answers] {
    int count = 0;
    for (size_t at = 0; (at = answers.find("abcdefgh", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  char buffer[4096];
  for (ssize_t got; answered() < pings && (got = read(file, buffer, sizeof(buffer))) > 0;) {
    answers.append(buffer, static_cast<size_t>(got));
  }
  close(file);
  return answers;
}

TEST(LimitsTest, AClientMayPingAsOftenAsItWasToldAndNoMoreOften) {
  ServerConfig config = TestConfig();
  config.rpc_limits.min_ping_interval = absl::ZeroDuration();
  TestServer patient(config);
  EXPECT_THAT(AnswersToPings(patient.server().port(), 20), Not(HasSubstr("too_many_pings")));
  config.rpc_limits.min_ping_interval = absl::Hours(1);
  TestServer strict(config);
  EXPECT_THAT(AnswersToPings(strict.server().port(), 20), HasSubstr("too_many_pings"));
}

TEST(LimitsTest, AFullServerRefusesAtOnceAndSaysWhenToTryAgain) {
  ServerConfig config = TestConfig();
  config.scheduler.max_sessions = 1;
  config.scheduler.max_waiting_sessions = 1;
  TestServer server(config);
  const auto connection = server.NewConnection();
  TestStream running(connection, StayingConfig(1));
  ASSERT_TRUE(running.NextChunk().has_value());
  TestStream waiting(connection, SmallConfig(1, 2));
  ASSERT_TRUE(waiting.NextOf(Response::kStarted).has_value());
  TestStream refused(connection, SmallConfig(1, 3));
  EXPECT_EQ(refused.status().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RefusalOf(refused.status()).reason, "SERVER_FULL");
  const auto retry = DetailOf<google::rpc::RetryInfo>(refused.status());
  ASSERT_TRUE(retry.has_value());
  EXPECT_GT(retry->retry_delay().seconds() + retry->retry_delay().nanos(), 0);
  running.Cancel();
  EXPECT_TRUE(waiting.status().ok()) << "who waited gets the place";
}

TEST(LimitsTest, ARequestIdIsTakenWhileItsSessionLives) {
  TestServer server;
  const auto connection = server.NewConnection();
  v1::SessionConfig config = StayingConfig(1);
  config.set_request_id("order-17");
  {
    TestStream first(connection, config);
    ASSERT_TRUE(first.NextChunk().has_value());
    TestStream second(connection, config);
    EXPECT_EQ(second.status().error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(RefusalOf(second.status()).reason, "REQUEST_ID_IN_USE");
    first.Send(FinishRequest());
    EXPECT_TRUE(first.status().ok());
  }
  config.set_length_chunks(1);
  TestStream third(connection, config);
  EXPECT_TRUE(third.status().ok()) << third.status().error_message();
}

TEST(LimitsTest, TooManyControlMessagesEndTheCall) {
  ServerConfig config = TestConfig();
  config.rpc_limits.control_message_burst = 5;
  config.rpc_limits.control_messages_per_second = 0.01;
  TestServer server(config);
  TestStream stream(server.NewConnection(), StayingConfig(1));
  ASSERT_TRUE(stream.NextChunk().has_value());
  for (int i = 0; i < 6; ++i) stream.Send(ByteCreditRequest(1));
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RefusalOf(stream.status()).reason, "CONTROL_RATE_EXCEEDED");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(stream.status()).has_value());
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
}

TEST(LimitsTest, AnswersThatAViewerDoesNotReadAreBoundedAsTheServerWasTold) {
  ServerConfig config = TestConfig();
  config.outbox_limits.max_events = 16;
  config.rpc_limits.control_message_burst = 100;
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.vocabulary = {"a", "red", "circle", "moves", "right"};
  TestServer server(config, info);
  grpc::ChannelArguments fixed_window;
  fixed_window.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  TestStream stream(grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), fixed_window),
                    StayingConfig(1));
  ASSERT_TRUE(stream.NextChunk().has_value());
  // Each brings a warning of eight kilobytes: sixty are more than the connection holds and the outbox may.
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(stream.Send(PromptRequest(std::string(4000, 'x'))));
  ASSERT_TRUE(stream.Send(ChunkCreditRequest(1)));
  ASSERT_TRUE(server.model().WaitForLiveSessions(0)) << "the next chunk finds no room";
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(LimitsTest, AnEndlessSessionEndsAtTheLongestLength) {
  ServerConfig config = TestConfig();
  config.rpc_limits.max_length_chunks = 3;
  TestServer server(config);
  TestStream stream(server.NewConnection(), SmallConfig(0));
  const auto finished = stream.NextOf(Response::kFinished);
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->finished().chunks(), 3);
  EXPECT_EQ(finished->finished().reason(), "LENGTH_REACHED");
}

}  // namespace
}  // namespace videodiffcr
