// Real sockets, since what is proved is that one of them does not wait for another.
#include "server/metrics/http_responder.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace videodiffcr {
namespace {

class HttpResponderTest : public testing::Test {
 protected:
  // Answers "echo " and what came, once that ends with a full stop; more of it when it begins with "much".
  std::unique_ptr<HttpResponder> Start(const HttpResponder::Options& options) {
    absl::StatusOr<ListeningSocket> socket = Listen("127.0.0.1:0");
    EXPECT_TRUE(socket.ok()) << socket.status();
    address_ = socket->address;
    address_bytes_ = socket->address_bytes;
    return *HttpResponder::Create(
        *std::move(socket), options, [](absl::string_view text) -> std::optional<std::string> {
          if (text.empty() || text.back() != '.') return std::nullopt;
          return text.substr(0, 4) == "much" ? std::string(kMuch, 'x') : "echo " + std::string(text);
        });
  }
  Descriptor Connect() const {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&address_), address_bytes_), 0);
    return socket;
  }
  static void Say(const Descriptor& socket, const std::string& words) {
    EXPECT_EQ(send(socket.get(), words.data(), words.size(), MSG_NOSIGNAL), static_cast<ssize_t>(words.size()));
  }
  // Until the other side closes.
  static std::string Hear(const Descriptor& socket) {
    std::string words;
    char buffer[65536];
    for (ssize_t got; (got = recv(socket.get(), buffer, sizeof(buffer), 0)) > 0;) {
      words.append(buffer, static_cast<size_t>(got));
    }
    return words;
  }

  static constexpr size_t kMuch = size_t{16} << 20;
  sockaddr_storage address_ = {};
  socklen_t address_bytes_ = 0;
};

TEST_F(HttpResponderTest, OneWhoSpeaksIsAnsweredHoweverManySayNothingOrHalfOfIt) {
  HttpResponder::Options options;
  options.patience = std::chrono::hours(1);
  const auto responder = Start(options);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 3 * options.max_connections; ++i) {
    silent.push_back(Connect());
    if (i % 2 == 0) Say(silent.back(), "half of");
  }
  const Descriptor quick = Connect();
  Say(quick, "hello.");
  EXPECT_EQ(Hear(quick), "echo hello.");
}

TEST_F(HttpResponderTest, OneMoreThanMayBeEndsTheOldest) {
  HttpResponder::Options options;
  options.max_connections = 2;
  options.patience = std::chrono::hours(1);
  const auto responder = Start(options);
  const Descriptor first = Connect(), second = Connect(), third = Connect();
  EXPECT_EQ(Hear(first), "");
  Say(second, "still.");
  EXPECT_EQ(Hear(second), "echo still.");
}

TEST_F(HttpResponderTest, WhoIsNotDoneInTimeIsCutOff) {
  HttpResponder::Options options;
  options.patience = std::chrono::milliseconds(20);
  const auto responder = Start(options);
  const Descriptor silent = Connect();
  EXPECT_EQ(Hear(silent), "");
  const Descriptor slow = Connect();
  Say(slow, "one byte ");
  EXPECT_EQ(Hear(slow), "");
}

TEST_F(HttpResponderTest, AnAnswerThatTheSocketDoesNotTakeAtOnceArrivesWholeAndHoldsNobody) {
  HttpResponder::Options options;
  options.patience = std::chrono::minutes(1);
  const auto responder = Start(options);
  const Descriptor slow = Connect(), quick = Connect();
  Say(slow, "much.");
  Say(quick, "hello.");
  EXPECT_EQ(Hear(quick), "echo hello.");
  EXPECT_EQ(Hear(slow).size(), kMuch);
}

TEST_F(HttpResponderTest, ItStopsWhileOthersAreConnected) {
  auto responder = Start(HttpResponder::Options());
  const Descriptor silent = Connect();
  responder.reset();
  EXPECT_EQ(Hear(silent), "");
}

}  // namespace
}  // namespace videodiffcr
