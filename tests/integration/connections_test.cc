// Connections over real sockets: how many, from whom, and what becomes of the rest.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/health_command.h"
#include "server/sockets/descriptor.h"
#include "server/sockets/listening_socket.h"
#include "tests/integration/loopback.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

// The server's first word; empty when it closes instead, or says nothing for as long as SetPatience() said.
std::string Hear(const Descriptor& connection) {
  char answer[9];
  const ssize_t got = read(connection.get(), answer, sizeof(answer));
  return got > 0 ? std::string(answer, static_cast<size_t>(got)) : "";
}

// Says hello in HTTP/2 and hears the answer.
std::string Greet(const Descriptor& connection) {
  if (send(connection.get(), kHttp2Greeting.data(), kHttp2Greeting.size(), MSG_NOSIGNAL) < 0) return "";
  return Hear(connection);
}

void SetPatience(const Descriptor& connection, std::chrono::milliseconds patience) {
  const timeval limit = {patience.count() / 1000, patience.count() % 1000 * 1000};
  ASSERT_EQ(setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
}

// A session that lasts until it is told to end.
v1::SessionConfig StayingConfig(uint64_t seed) { return WithChunkCredits(SmallConfig(0, seed), 1); }

ServerConfig WithMetrics() {
  ServerConfig config = TestConfig();
  config.metrics_listen = "127.0.0.1:0";
  return config;
}

TEST(ConnectionsTest, OneBeyondTheLimitIsClosedAtOnceCountedAndAnEndedOneMakesRoom) {
  ServerConfig config = WithMetrics();
  config.max_connections = 2;
  TestServer server(config);
  TestStream first(server.NewConnection(), StayingConfig(1));
  ASSERT_TRUE(first.NextChunk().has_value());
  {
    TestStream second(server.NewConnection(), StayingConfig(2));
    ASSERT_TRUE(second.NextChunk().has_value());
    EXPECT_TRUE(server.WaitForMetric("videodiffcr_connections", 2));
    const Descriptor third(ConnectToLoopback(server.server().port()));
    EXPECT_EQ(Greet(third), "");
    EXPECT_EQ(server.Metric("videodiffcr_connections_refused_total{limit=\"all\"}"), 1);
  }
  EXPECT_TRUE(server.WaitForMetric("videodiffcr_connections", 1));
  TestStream viewer(server.NewConnection(), SmallConfig(1));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
}

TEST(ConnectionsTest, HoweverManyGreetAndOpenNoCallAClientIsServedAtOnceAndNoCallIsCut) {
  ServerConfig config = TestConfig();
  config.max_connections = 3;
  TestServer server(config);
  TestStream running(server.NewConnection(), StayingConfig(1));
  ASSERT_TRUE(running.NextChunk().has_value());
  std::vector<Descriptor> idle;
  for (int i = 0; i < 10; ++i) {
    idle.emplace_back(ConnectToLoopback(server.server().port()));
    EXPECT_NE(Greet(idle.back()), "");
  }
  TestStream viewer(server.NewConnection(), SmallConfig(1, 2));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
  running.Send(FinishRequest());
  EXPECT_TRUE(running.status().ok()) << running.status().error_message();
}

TEST(ConnectionsTest, HoweverManySayNothingOrHalfAGreetingAClientIsServedAtOnce) {
  ServerConfig config = TestConfig();
  config.max_connections = 3;
  config.rpc_limits.first_message_timeout = absl::Hours(1);
  TestServer server(config);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 10; ++i) {
    silent.emplace_back(ConnectToLoopback(server.server().port()));
    if (i % 2 == 0) send(silent.back().get(), "PRI * HTTP", 10, MSG_NOSIGNAL);
  }
  TestStream viewer(server.NewConnection(), SmallConfig(1));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
}

TEST(ConnectionsTest, APeerMayHaveOnlySoManyUnlessItIsAProxy) {
  ServerConfig config = WithMetrics();
  config.max_connections_per_peer = 1;
  {
    TestServer server(config);
    const Descriptor first(ConnectToLoopback(server.server().port()));
    EXPECT_NE(Greet(first), "");
    const Descriptor second(ConnectToLoopback(server.server().port()));
    EXPECT_EQ(Greet(second), "");
    EXPECT_EQ(server.Metric("videodiffcr_connections_refused_total{limit=\"peer\"}"), 1);
  }
  config.rpc_limits.behind_proxy = true;
  TestServer server(config);
  const Descriptor first(ConnectToLoopback(server.server().port()));
  const Descriptor second(ConnectToLoopback(server.server().port()));
  EXPECT_NE(Greet(first), "");
  EXPECT_NE(Greet(second), "");
}

TEST(ConnectionsTest, ReadySaysWhetherTheNextOneWouldBeServedAndAFullServerLives) {
  ServerConfig config = WithMetrics();
  config.admin_listen = "127.0.0.1:0";
  config.upkeep_interval = absl::Milliseconds(1);
  config.max_connections = 1;
  TestServer server(config);
  EXPECT_EQ(server.Metric("videodiffcr_ready"), 1);
  const Descriptor idle(ConnectToLoopback(server.server().port()));
  Greet(idle);
  {
    std::optional<TestStream> only;
    do {  // the server's own look at its port may take the place of who has no call yet
      only.emplace(server.NewConnection(), StayingConfig(1));
    } while (!only->NextChunk().has_value());
    EXPECT_TRUE(server.WaitForMetric("videodiffcr_ready", 0));
    const std::string probes = absl::StrCat("127.0.0.1:", server.server().admin_port());
    EXPECT_TRUE(CheckHealth(probes, "live", absl::Seconds(30)).ok()) << "a restart would help nobody";
  }
  EXPECT_TRUE(server.WaitForMetric("videodiffcr_ready", 1));
}

// HTTP/2 by hand.
std::string Frame(char type, char flags, char stream, const std::string& payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  std::string frame = {static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size)};
  frame.append({type, flags, 0, 0, 0, stream});
  return frame + payload;
}

// A header that is not to be remembered, of fewer than 127 bytes.
std::string Header(const std::string& name, const std::string& value) {
  return absl::StrCat(std::string(1, '\0'), std::string(1, static_cast<char>(name.size())), name,
                      std::string(1, static_cast<char>(value.size())), value);
}

// A whole call.
std::string CallOf(const std::string& path, char stream) {
  constexpr char kHeaders = 1, kData = 0, kEndOfHeaders = 4, kEndOfStream = 1;
  const std::string headers = Header(":method", "POST") + Header(":scheme", "http") + Header(":path", path) +
                              Header(":authority", "test") + Header("te", "trailers") +
                              Header("content-type", "application/grpc");
  return Frame(kHeaders, kEndOfHeaders, stream, headers) + Frame(kData, kEndOfStream, stream, std::string(5, '\0'));
}

// Until the server closes the connection, or a hundred MiB have come through: whether it closes it.
bool SendsHeaderWithoutEnd(const Descriptor& connection, char stream) {
  constexpr char kHeaders = 1, kContinuation = 9;
  const std::string a_gibibyte_follows("\0\1x\x7f\x81\xff\xff\xff\3", 9);
  std::string frame = Frame(kHeaders, 0, stream, a_gibibyte_follows);
  for (int i = 0; i < 6400; ++i) {
    if (send(connection.get(), frame.data(), frame.size(), MSG_NOSIGNAL) < 0) return true;
    frame = Frame(kContinuation, 0, stream, std::string(16384, 'x'));
  }
  return false;
}

TEST(ConnectionsTest, AHeaderWithoutAnEndIsCutWhetherOrNotACallCameBefore) {
  TestServer server;
  for (const bool called : {false, true}) {
    const Descriptor connection(ConnectToLoopback(server.server().port()));
    EXPECT_NE(Greet(connection), "");
    if (called) {
      const std::string call = CallOf("/videodiffcr.v1.VideoGenerationService/GetServerInfo", 1);
      send(connection.get(), call.data(), call.size(), MSG_NOSIGNAL);
    }
    EXPECT_TRUE(SendsHeaderWithoutEnd(connection, 3)) << called;
  }
  TestStream viewer(server.NewConnection(), SmallConfig(1));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
}

// Whether the server resets the call before the patience for the connection ends.
bool HearsReset(const Descriptor& connection, char stream) {
  constexpr char kReset = 3;
  constexpr size_t kHeaderBytes = 9;
  std::string heard;
  char block[4096];
  for (ssize_t got; (got = read(connection.get(), block, sizeof(block))) > 0;) {
    heard.append(block, static_cast<size_t>(got));
    while (heard.size() >= kHeaderBytes) {
      const auto byte = [&heard](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(heard[at])); };
      const size_t whole = kHeaderBytes + (byte(0) << 16 | byte(1) << 8 | byte(2));
      if (heard.size() < whole) break;
      if (heard[3] == kReset && heard[8] == stream) return true;
      heard.erase(0, whole);
    }
  }
  return false;
}

// Its connection would keep its place, and the server its end, for as long as pings are answered.
TEST(ConnectionsTest, ACallWhoseAnswerHasNoRoomIsCutAfterTheIdleTimeAndADrainNeedNotWaitForIt) {
  ServerConfig config = TestConfig();
  config.scheduler.idle_timeout = absl::Milliseconds(50);
  config.drain_timeout = absl::Minutes(10);
  TestServer server(config);
  const Descriptor connection(ConnectToLoopback(server.server().port()));
  SetPatience(connection, std::chrono::seconds(30));
  constexpr char kSettings = 4;
  const std::string windows_of_no_bytes("\0\4\0\0\0\0", 6);
  const std::string hello = std::string(kHttp2Greeting) + Frame(kSettings, 0, 0, windows_of_no_bytes) +
                            CallOf("/videodiffcr.v1.VideoGenerationService/GetServerInfo", 1);
  ASSERT_EQ(send(connection.get(), hello.data(), hello.size(), MSG_NOSIGNAL), static_cast<ssize_t>(hello.size()));
  ASSERT_TRUE(HearsReset(connection, 1));
  server.Drain();
}

// The same bytes as in a header without an end, but in messages: far more than a connection may send without reason.
TEST(ConnectionsTest, WhoSendsManyLargeMessagesIsNotCut) {
  TestServer server;
  const auto connection = server.NewConnection();
  for (int i = 0; i < 20; ++i) {
    TestStream stream(connection);
    v1::SessionConfig config = SmallConfig(1);
    config.set_request_id(std::string(3 << 20, 'x'));
    stream.SendConfig(config);
    EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << stream.status().error_message();
  }
}

TEST(ConnectionsTest, ACallOverIpv6HasARightToItsPlaceToo) {
  ServerConfig config = TestConfig();
  config.listen = "[::1]:0";
  config.max_connections = 1;
  if (!Listen(config.listen).ok()) GTEST_SKIP() << "no IPv6 here";
  TestServer server(config);
  const auto connect = [&server] {
    grpc::ChannelArguments apart;
    apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("[::1]:", server.server().port()), grpc::InsecureChannelCredentials(),
                                     apart);
  };
  TestStream running(connect(), StayingConfig(1));
  ASSERT_TRUE(running.NextChunk().has_value());
  TestStream refused(connect(), SmallConfig(1, 2));
  EXPECT_EQ(refused.status().error_code(), grpc::StatusCode::UNAVAILABLE);
  running.Send(FinishRequest());
  EXPECT_TRUE(running.status().ok()) << running.status().error_message();
}

TEST(ConnectionsTest, OneThatSaysNothingIsClosedAfterAWhile) {
  ServerConfig config = TestConfig();
  config.rpc_limits.first_message_timeout = absl::Milliseconds(50);
  TestServer server(config);
  const Descriptor silent(ConnectToLoopback(server.server().port()));
  std::string heard;
  char buffer[256];
  for (ssize_t got; (got = read(silent.get(), buffer, sizeof(buffer))) > 0;) heard.append(buffer, got);
  SUCCEED() << "read() has come to an end";
}

// The fault of gRPC's own listener: once out of descriptors it never listened again.
TEST(ConnectionsTest, AServerWithoutDescriptorsTakesConnectionsAgainWhenThereAreSome) {
  TestServer server;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const Descriptor waiting(socket(AF_INET, SOCK_STREAM, 0));
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool connected = ConnectToLoopback(waiting.get(), server.server().port());
  SetPatience(waiting, std::chrono::milliseconds(200));
  const std::string while_starved = Greet(waiting);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(connected);
  EXPECT_EQ(while_starved, "");
  SetPatience(waiting, std::chrono::seconds(30));
  EXPECT_NE(Hear(waiting), "") << "the greeting of before is answered";
  TestStream viewer(server.NewConnection(), SmallConfig(1));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
}

}  // namespace
}  // namespace videodiffcr
