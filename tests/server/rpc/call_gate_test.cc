#include "server/rpc/call_gate.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

TEST(CallGateTest, NobodyWaitsWhereNoCallIsOpen) {
  ManualClock clock;
  CallGate gate(&clock);
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::InfinitePast()));
  gate.Enter();
  gate.Leave();
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::InfinitePast()));
}

TEST(CallGateTest, ADeadlineEndsTheWaitForACallThatStaysOpen) {
  ManualClock clock;
  CallGate gate(&clock);
  gate.Enter();
  EXPECT_FALSE(gate.WaitUntilEmpty(absl::InfinitePast()));
  const absl::Time deadline = clock.Now() + absl::Hours(1);
  std::thread drain([&] { EXPECT_FALSE(gate.WaitUntilEmpty(deadline)); });
  ASSERT_TRUE(clock.WaitForWaiters(1));
  clock.Advance(absl::Hours(1));  // the server's clock, not the wall's
  drain.join();
  gate.Leave();
}

TEST(CallGateTest, TheLastCallThatLeavesEndsTheWait) {
  ManualClock clock;
  CallGate gate(&clock);
  gate.Enter();
  gate.Enter();
  gate.Leave();
  EXPECT_FALSE(gate.WaitUntilEmpty(absl::InfinitePast())) << "one of two is left";
  std::thread last([&] { gate.Leave(); });
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::InfiniteFuture()));
  last.join();
}

}  // namespace
}  // namespace videodiffcr
