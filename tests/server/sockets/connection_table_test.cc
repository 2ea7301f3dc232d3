#include "server/sockets/connection_table.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <initializer_list>
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
