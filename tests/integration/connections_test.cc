// Connections over real sockets: how many, from whom, and what becomes of the rest.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "server/sockets/descriptor.h"
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

ServerConfig WithMetrics() {
  ServerConfig config = TestConfig();
  config.metrics_listen = "127.0.0.1:0";
  return config;
}

TEST(ConnectionsTest, OneBeyondTheLimitIsClosedAtOnceCountedAndAnEndedOneMakesRoom) {
  ServerConfig config = WithMetrics();
  config.max_connections = 2;
  TestServer server(config);
  const int port = server.server().port();
  const Descriptor first(ConnectToLoopback(port));
  EXPECT_NE(Greet(first), "");
  {
    const Descriptor second(ConnectToLoopback(port));
    EXPECT_NE(Greet(second), "");
    EXPECT_TRUE(server.WaitForMetric("videodiffcr_connections", 2));
    const Descriptor third(ConnectToLoopback(port));
    EXPECT_EQ(Greet(third), "");
    EXPECT_EQ(server.Metric("videodiffcr_connections_refused_total{limit=\"all\"}"), 1);
  }
  EXPECT_TRUE(server.WaitForMetric("videodiffcr_connections", 1));
  TestStream viewer(server.NewConnection(), SmallConfig(1));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
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

TEST(ConnectionsTest, ReadySaysWhetherTheNextOneWouldBeServed) {
  ServerConfig config = WithMetrics();
  config.upkeep_interval = absl::Milliseconds(1);
  config.max_connections = 1;
  TestServer server(config);
  EXPECT_EQ(server.Metric("videodiffcr_ready"), 1);
  {
    Descriptor only;
    do {  // the server's own look at its port may have the place for a moment
      only = Descriptor(ConnectToLoopback(server.server().port()));
    } while (Greet(only).empty());
    EXPECT_TRUE(server.WaitForMetric("videodiffcr_ready", 0));
  }
  EXPECT_TRUE(server.WaitForMetric("videodiffcr_ready", 1));
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
