#include "server/sockets/connection_table.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "server/sockets/descriptor.h"

namespace videodiffcr {
namespace {

using Verdict = ConnectionTable::Verdict;

// One end of a pair of sockets; the other is closed at once, which the table does not mind.
Descriptor NewSocket() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  close(ends[1]);
  return Descriptor(ends[0]);
}

TEST(ConnectionTableTest, AsManyAsMayBeAreAdmittedAndAClosedOneMakesRoom) {
  ConnectionTable table(2, 0);
  Descriptor first = NewSocket();
  const Descriptor second = NewSocket();
  for (const Descriptor* socket : std::initializer_list<const Descriptor*>{&first, &second}) {
    EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
    table.Add(socket->get(), "a");
  }
  EXPECT_EQ(table.Decide("b"), Verdict::kFull);
  { const Descriptor closes = std::move(first); }
  EXPECT_EQ(table.Decide("b"), Verdict::kAdmit);
  EXPECT_EQ(table.Sweep(), 1);
}

// A connection over TCP, whose bytes the kernel counts.
class Pair {
 public:
  Pair() {
    const Descriptor listener(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener.get(), raw, size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), raw, &size), 0);
    client_ = Descriptor(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(connect(client_.get(), raw, size), 0);
    server_ = Descriptor(accept(listener.get(), nullptr, nullptr));
  }
  int server() const { return server_.get(); }
  void Say(const std::string& text) {
    EXPECT_EQ(send(client_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    std::string heard(text.size(), ' ');  // so that they have come
    EXPECT_EQ(recv(server_.get(), heard.data(), heard.size(), MSG_WAITALL), static_cast<ssize_t>(text.size()));
  }
  bool IsShut() const {
    char byte;
    return recv(server_.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  Descriptor client_, server_;
};

TEST(ConnectionTableTest, WhereAllPlacesAreTakenTheOldestThatHasSaidNothingMakesRoom) {
  ConnectionTable table(3, 0, 10);
  Pair speaks, first, second, third;
  speaks.Say("a whole greeting");
  first.Say("half");
  for (const Pair* each : {&speaks, &first, &second}) {
    EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
    table.Add(each->server(), "a");
  }
  EXPECT_EQ(table.Decide("b"), Verdict::kAdmit);
  EXPECT_TRUE(first.IsShut());
  EXPECT_FALSE(second.IsShut());
  table.Add(third.server(), "b");
  for (Pair* each : {&second, &third}) each->Say("a whole greeting");
  EXPECT_EQ(table.Decide("c"), Verdict::kFull);
  EXPECT_FALSE(speaks.IsShut());
}

TEST(ConnectionTableTest, APeerMayHaveOnlyItsShareAndOthersStillGetIn) {
  ConnectionTable table(10, 1);
  const Descriptor first = NewSocket();
  table.Add(first.get(), "greedy");
  EXPECT_EQ(table.Decide("greedy"), Verdict::kPeerHasTooMany);
  EXPECT_EQ(table.Decide("modest"), Verdict::kAdmit);
}

TEST(ConnectionTableTest, ADescriptorThatNamesAnotherSocketByNowIsNotThatConnectionAnyMore) {
  ConnectionTable table(1, 1);
  const Descriptor connection = NewSocket();
  table.Add(connection.get(), "a");
  const Descriptor other = NewSocket();
  ASSERT_EQ(dup2(other.get(), connection.get()), connection.get());
  EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
  table.Add(connection.get(), "a");
  ASSERT_EQ(dup2(STDERR_FILENO, connection.get()), connection.get());
  EXPECT_EQ(table.Sweep(), 0) << "nor is what is no socket at all";
}

TEST(ConnectionTableTest, AConnectionThatGetsAForgottenOnesDescriptorTakesItsPlace) {
  ConnectionTable table(10, 1);
  const Descriptor connection = NewSocket();
  table.Add(connection.get(), "a");
  const Descriptor other = NewSocket();
  ASSERT_EQ(dup2(other.get(), connection.get()), connection.get());
  table.Add(connection.get(), "b");
  EXPECT_EQ(table.Sweep(), 1);
  EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
  EXPECT_EQ(table.Decide("b"), Verdict::kPeerHasTooMany);
}

}  // namespace
}  // namespace videodiffcr
