#include "server/sockets/connection_table.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
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
  ConnectionUses uses;
  ConnectionTable table({2}, &uses);
  Descriptor first = NewSocket();
  const Descriptor second = NewSocket();
  table.Add(first.get(), "a", "a:1");
  EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
  table.Add(second.get(), "a", "a:2");
  const ConnectionUses::Call one(&uses, "a:1", true), other(&uses, "a:2", true);
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
  void SendUnheard(const std::string& text) {
    EXPECT_EQ(send(client_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  // What the server says.
  void Hear(const std::string& text) {
    std::string heard(text.size(), ' ');
    std::thread client([&] { recv(client_.get(), heard.data(), heard.size(), MSG_WAITALL); });
    EXPECT_EQ(send(server_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    client.join();
  }
  bool IsShut() const {
    char byte;
    return recv(server_.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  Descriptor client_, server_;
};

TEST(ConnectionTableTest, WhereAllPlacesAreTakenTheOldestThatHasSaidNothingMakesRoom) {
  ConnectionUses uses;
  ConnectionTable table({3, 0, 10}, &uses);
  Pair speaks, first, second;
  speaks.Say("a whole greeting");
  first.Say("half");
  for (const Pair* each : {&speaks, &first, &second}) {
    EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
    table.Add(each->server(), "a", absl::StrCat("a:", each->server()));
  }
  EXPECT_EQ(table.Decide("b"), Verdict::kAdmit);
  EXPECT_TRUE(first.IsShut());
  EXPECT_FALSE(second.IsShut());
  EXPECT_FALSE(speaks.IsShut());
}

TEST(ConnectionTableTest, WhereAllHaveGreetedTheOneThatHasBeenWithoutACallForLongestMakesRoom) {
  ConnectionUses uses;
  ConnectionTable table({3, 0, 10}, &uses);
  Pair watches, calls, never, next;
  const std::pair<Pair*, const char*> connections[] = {{&watches, "watches"}, {&calls, "calls"}, {&never, "never"}};
  for (const auto& [connection, name] : connections) {
    connection->Say("a whole greeting");
    table.Add(connection->server(), "a", name);
  }
  const ConnectionUses::Call watch(&uses, "watches", true);
  { const ConnectionUses::Call ended(&uses, "calls", true); }
  const ConnectionUses::Call of_no_matter(&uses, "never", false);
  EXPECT_EQ(table.Decide("b"), Verdict::kAdmit);
  EXPECT_TRUE(never.IsShut());
  table.Add(next.server(), "b", "next");
  const ConnectionUses::Call begins(&uses, "next", true);
  EXPECT_EQ(table.Decide("c"), Verdict::kAdmit);
  EXPECT_TRUE(calls.IsShut());
  for (const Pair* each : {&watches, &next}) EXPECT_FALSE(each->IsShut());
}

TEST(ConnectionTableTest, WhatCallsHoldIsNotGivenAway) {
  ConnectionUses uses;
  ConnectionTable table({1, 0, 10}, &uses);
  Pair silent;
  table.Add(silent.server(), "a", "a:1");
  const ConnectionUses::Call call(&uses, "a:1", true);
  EXPECT_EQ(table.Decide("b"), Verdict::kFull);
  table.MakeRoom();
  EXPECT_FALSE(silent.IsShut());
}

// One connection, whose client sends as much as the test says.
class UnexplainedBytesTest : public testing::Test {
 protected:
  static constexpr int64_t kMost = ConnectionTable::kUnexplainedBytes;
  static constexpr int64_t kFirst = 1 << 20, kLater = 1 << 16;

  UnexplainedBytesTest() : table_({10, 0, 0, kFirst, kLater}, &uses_) { table_.Add(pair_.server(), "a", "a:1"); }

  void Say(int64_t bytes) {
    for (int64_t left = bytes; left > 0; left -= 4096) pair_.Say(std::string(std::min<int64_t>(left, 4096), 'x'));
  }
  // Whether it is shut down when it is looked at after so long.
  bool Looks(absl::Duration elapsed = absl::ZeroDuration()) {
    const ConnectionTable::Findings findings = table_.ShutWhatIsUnexplained(elapsed);
    look_again_ = findings.look_again;
    EXPECT_EQ(findings.shut == 1, pair_.IsShut());
    return findings.shut == 1;
  }

  ConnectionUses uses_;
  ConnectionTable table_;
  Pair pair_;
  bool look_again_ = false;
};

TEST_F(UnexplainedBytesTest, AHeaderWithoutAnEndIsCutWhetherOrNotACallCameBefore) {
  { const ConnectionUses::Call call(&uses_, "a:1", true); }
  Say(1000);
  EXPECT_FALSE(Looks());
  EXPECT_FALSE(look_again_);
  Say(kMost);
  EXPECT_FALSE(Looks()) << "what came before somebody looked may belong to the call";
  Say(kMost);
  EXPECT_TRUE(Looks());
  EXPECT_EQ(table_.Sweep(), 0);
}

TEST_F(UnexplainedBytesTest, WhoComesNearTheLimitIsLookedAtSoon) {
  Say(kMost / 2);
  EXPECT_FALSE(Looks());
  EXPECT_TRUE(look_again_);
}

TEST_F(UnexplainedBytesTest, WhatHasComeUnreadIsThrownAwayWithTheConnection) {
  pair_.SendUnheard(std::string(1000, 'x'));
  Say(kMost);
  EXPECT_TRUE(Looks());
}

TEST_F(UnexplainedBytesTest, ACallMayBringAFirstMessageAndThenSmallerOnes) {
  ConnectionUses::Call call(&uses_, "a:1", true);
  EXPECT_FALSE(Looks());
  Say(kFirst + kMost);
  EXPECT_FALSE(Looks());
  call.NoteMessage();
  EXPECT_FALSE(Looks());
  Say(kLater + kMost);
  EXPECT_FALSE(Looks());
  Say(1);
  EXPECT_TRUE(Looks());
}

TEST_F(UnexplainedBytesTest, ACallThatDoesNotMatterBringsNothing) {
  ConnectionUses::Call call(&uses_, "a:1", false);
  EXPECT_FALSE(Looks());
  Say(kMost + 1);
  EXPECT_TRUE(Looks());
}

TEST_F(UnexplainedBytesTest, EveryMessageShowsThatTheConnectionIsInOrder) {
  ConnectionUses::Call call(&uses_, "a:1", false);
  for (int i = 0; i < 4; ++i) {
    Say(kMost);
    call.NoteMessage();
    EXPECT_FALSE(Looks());
  }
}

TEST_F(UnexplainedBytesTest, ACallThatEndsWithoutItsFirstMessageTakesWhatHasComeOfItAlong) {
  {
    const ConnectionUses::Call call(&uses_, "a:1", true);
    EXPECT_FALSE(Looks());
    Say(kFirst);
    EXPECT_FALSE(Looks());
  }
  EXPECT_FALSE(Looks());
}

TEST_F(UnexplainedBytesTest, PingsAndWhatConfirmsAVideoAddUpToNothing) {
  for (int i = 0; i < 3; ++i) {
    Say(kMost / 2);
    EXPECT_FALSE(Looks(absl::Seconds(kMost / 64)));
  }
  Say(kMost / 2);
  EXPECT_FALSE(Looks());
  pair_.Hear(std::string(kMost * 64, 'v'));
  EXPECT_FALSE(Looks());
  Say(kMost);
  EXPECT_FALSE(Looks());
}

TEST(ConnectionTableTest, APeerMayHaveOnlyItsShareAndOthersStillGetIn) {
  ConnectionUses uses;
  ConnectionTable table({10, 1}, &uses);
  const Descriptor first = NewSocket();
  table.Add(first.get(), "greedy", "greedy:1");
  EXPECT_EQ(table.Decide("greedy"), Verdict::kPeerHasTooMany);
  EXPECT_EQ(table.Decide("modest"), Verdict::kAdmit);
}

TEST(ConnectionTableTest, ADescriptorThatNamesAnotherSocketByNowIsNotThatConnectionAnyMore) {
  ConnectionUses uses;
  ConnectionTable table({1, 1}, &uses);
  const Descriptor connection = NewSocket();
  table.Add(connection.get(), "a", "a:1");
  const Descriptor other = NewSocket();
  ASSERT_EQ(dup2(other.get(), connection.get()), connection.get());
  EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
  table.Add(connection.get(), "a", "a:1");
  ASSERT_EQ(dup2(STDERR_FILENO, connection.get()), connection.get());
  EXPECT_EQ(table.Sweep(), 0) << "nor is what is no socket at all";
}

TEST(ConnectionTableTest, AConnectionThatGetsAForgottenOnesDescriptorTakesItsPlace) {
  ConnectionUses uses;
  ConnectionTable table({10, 1}, &uses);
  const Descriptor connection = NewSocket();
  table.Add(connection.get(), "a", "a:1");
  const Descriptor other = NewSocket();
  ASSERT_EQ(dup2(other.get(), connection.get()), connection.get());
  table.Add(connection.get(), "b", "b:1");
  EXPECT_EQ(table.Sweep(), 1);
  EXPECT_EQ(table.Decide("a"), Verdict::kAdmit);
  EXPECT_EQ(table.Decide("b"), Verdict::kPeerHasTooMany);
}

}  // namespace
}  // namespace videodiffcr
