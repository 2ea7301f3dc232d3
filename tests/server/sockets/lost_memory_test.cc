// A connection that there is no memory for, wherever it is missing: the table has it whole or not at all.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "server/sockets/connection_table.h"
#include "server/sockets/descriptor.h"
#include "tests/fakes/failing_allocation.h"

namespace videodiffcr {
namespace {

TEST(LostMemoryTest, AConnectionThatThereIsNoMemoryForIsNotInTheTable) {
  // Longer than what a string keeps in itself.
  const std::string peer = "a peer whose address is longer than others", name = peer + ":1";
  Descriptor connection;
  std::unique_ptr<ConnectionUses> uses;
  std::unique_ptr<ConnectionTable> table;
  const auto begin = [&] {
    connection = Descriptor(socket(AF_UNIX, SOCK_STREAM, 0));
    uses = std::make_unique<ConnectionUses>();
    table = std::make_unique<ConnectionTable>(ConnectionTable::Limits{10, 1}, uses.get());
  };
  begin();
  bool added = false;
  const int64_t failures = WithEveryAllocationFailing(
      [&] {
        added = false;
        table->Add(connection.get(), peer, name);
        added = true;
      },
      [&] {
        using Verdict = ConnectionTable::Verdict;
        EXPECT_EQ(table->Decide(peer), added ? Verdict::kPeerHasTooMany : Verdict::kAdmit);
        { const ConnectionUses::Call call(uses.get(), name, true); }
        EXPECT_EQ(table->Sweep(), added ? 1 : 0);
        connection = Descriptor();
        EXPECT_EQ(table->Sweep(), 0);
        begin();
      });
  EXPECT_GT(failures, 3);
}

}  // namespace
}  // namespace videodiffcr
