#include "server/sockets/listening_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Connects to it and takes the connection.
Accepted MeetAt(const ListeningSocket& socket) {
  const Descriptor client(::socket(socket.address.ss_family, SOCK_STREAM, 0));
  EXPECT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&socket.address), socket.address_bytes), 0);
  pollfd watched = {socket.descriptor.get(), POLLIN, 0};
  EXPECT_EQ(poll(&watched, 1, 30'000), 1);
  return Accept(socket);
}

TEST(ListeningSocketTest, APortIsTakenAndPeersHaveTheirAddress) {
  const absl::StatusOr<ListeningSocket> socket = Listen("127.0.0.1:0");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_GT(socket->port, 0);
  EXPECT_EQ(Accept(*socket).error, EAGAIN);
  const Accepted accepted = MeetAt(*socket);
  EXPECT_TRUE(accepted.descriptor.valid());
  EXPECT_EQ(accepted.peer, "127.0.0.1");
  EXPECT_THAT(accepted.name, MatchesRegex("ipv4:127\\.0\\.0\\.1:[0-9]+"));
}

TEST(ListeningSocketTest, ANameStandsForItsIpv4AddressAndAWildcardForThisMachine) {
  for (const char* address : {"localhost:0", "0.0.0.0:0"}) {
    const absl::StatusOr<ListeningSocket> socket = Listen(address);
    ASSERT_TRUE(socket.ok()) << address << ": " << socket.status();
    EXPECT_EQ(MeetAt(*socket).peer, "127.0.0.1") << address;
  }
}

TEST(ListeningSocketTest, AnIpv6AddressWorksWhereTheMachineHasIpv6) {
  const absl::StatusOr<ListeningSocket> socket = Listen("[::1]:0");
  if (!socket.ok()) GTEST_SKIP() << "no IPv6 here: " << socket.status();
  const Accepted accepted = MeetAt(*socket);
  EXPECT_EQ(accepted.peer, "::1");
  EXPECT_THAT(accepted.name, MatchesRegex("ipv6:%5B::1%5D:[0-9]+"));
}

TEST(ListeningSocketTest, WhatCannotBeHadIsAnErrorWithTheSystemsReason) {
  const absl::StatusOr<ListeningSocket> socket = Listen("127.0.0.1:0");
  ASSERT_TRUE(socket.ok()) << socket.status();
  const absl::Status taken = Listen(absl::StrCat("127.0.0.1:", socket->port)).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr("in use"));
  EXPECT_EQ(Listen("203.0.113.1:0").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Listen("unix:/run/x:0").status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace videodiffcr
