#include "server/sockets/port_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "server/sockets/listening_socket.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

class PortProbeTest : public testing::Test {
 protected:
  PortProbeTest() : socket_(*Listen("127.0.0.1:0")), port_{socket_.address, socket_.address_bytes} {}

  // What the probe finds when the first who comes is told `words` and then left.
  absl::Status FindAnswer(absl::string_view words) {
    std::thread server([&] {
      pollfd watched = {socket_.descriptor.get(), POLLIN, 0};
      poll(&watched, 1, 30'000);
      const Accepted accepted = Accept(socket_);
      char greeting[64];
      watched.fd = accepted.descriptor.get();
      poll(&watched, 1, 30'000);
      EXPECT_GT(recv(accepted.descriptor.get(), greeting, sizeof(greeting), 0), 0);
      send(accepted.descriptor.get(), words.data(), words.size(), MSG_NOSIGNAL);
    });
    const absl::Status status = ProbeOwnPort(port_, absl::Seconds(30));
    server.join();
    return status;
  }

  ListeningSocket socket_;
  OwnPort port_;
};

TEST_F(PortProbeTest, AGreetingInHttp2IsAGoodAnswerAndOtherWordsAreNot) {
  EXPECT_EQ(FindAnswer(absl::string_view("\0\0\0\4\0\0\0\0\0", 9)), absl::OkStatus());
  EXPECT_THAT(std::string(FindAnswer("HTTP/1.1 400 Bad Request").message()), HasSubstr("does not speak HTTP/2"));
}

TEST_F(PortProbeTest, AConnectionThatIsClosedAtOnceIsABadSignUnlessItMayBe) {
  const absl::Status closed = FindAnswer("");
  EXPECT_EQ(closed.code(), absl::StatusCode::kResourceExhausted) << "somebody listens";
  EXPECT_THAT(std::string(closed.message()), HasSubstr("closed at once"));
  port_.may_close_at_once = true;
  EXPECT_EQ(FindAnswer(""), absl::OkStatus());
}

TEST_F(PortProbeTest, AListenerThatTakesNobodyAndAPortThatNobodyHasAreBad) {
  EXPECT_THAT(std::string(ProbeOwnPort(port_, absl::Milliseconds(20)).message()), HasSubstr("does not answer"));
  { const Descriptor closes = std::move(socket_.descriptor); }
  EXPECT_EQ(ProbeOwnPort(port_, absl::Seconds(30)).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace videodiffcr
