#include "server/sockets/host_port.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace videodiffcr {
namespace {

TEST(HostPortTest, NamesAddressesAndBracketedIpv6AddressesAreRead) {
  const std::tuple<const char*, const char*, int> cases[] = {
      {"localhost:80", "localhost", 80},       {"127.0.0.1:0", "127.0.0.1", 0},
      {"[::1]:65535", "::1", 65535},           {"[::]:1", "::", 1},
      {"[fe80::1%eth0]:2", "fe80::1%eth0", 2}, {"my-host.example:3", "my-host.example", 3},
  };
  for (const auto& [address, host, port] : cases) {
    const std::optional<HostPort> parsed = ParseHostPort(address);
    ASSERT_TRUE(parsed.has_value()) << address;
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
  }
}

TEST(HostPortTest, AllElseIsRefused) {
  for (const char* address : {"",
                              "50051",
                              ":50051",
                              "localhost",
                              "localhost:",
                              "localhost:-1",
                              "localhost:65536",
                              "localhost:http",
                              "unix:/run/socket",
                              "unix:/run/socket:0",
                              "unix-abstract:x:0",
                              "ipv4:127.0.0.1:50051",
                              "dns:localhost:1",
                              "::1:50051",
                              "[::1]",
                              "[::1:1",
                              "[]:1",
                              "127.0.0.1:1,127.0.0.1:2",
                              "/run/socket:1",
                              "a b:1",
                              "host:1 "}) {
    EXPECT_FALSE(ParseHostPort(address).has_value()) << address;
  }
}

TEST(HostPortTest, WhatCannotBeListenedOnIsRefusedByFieldAndValue) {
  EXPECT_EQ(CheckListenAddress("listen", "[::1]:0"), absl::OkStatus());
  const absl::Status status = CheckListenAddress("metrics_listen", "unix:/run/socket:0");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("metrics_listen is 'unix:/run/socket:0'; it must be host:port"), std::string::npos)
      << status;
}

TEST(HostPortTest, AddressesAndPortsAreJoinedAsInetNtopWritesThem) {
  EXPECT_EQ(*JoinIpPort("10.1.2.3", 80), "10.1.2.3:80");
  EXPECT_EQ(*JoinIpPort("FD00:0:0::1", 80), "[fd00::1]:80");
  for (const char* ip : {"", "localhost", "10.1.2.3:80", "10.1.2", "[::1]", "10.1.2.3 "}) {
    const absl::Status status = JoinIpPort(ip, 80).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << ip;
    EXPECT_NE(status.message().find(std::string("advertised_ip is '") + ip + "'"), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace videodiffcr
