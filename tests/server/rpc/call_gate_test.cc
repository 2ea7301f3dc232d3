#include "server/rpc/call_gate.h"

#include <gtest/gtest.h>

#include <thread>

namespace videodiffcr {
namespace {

TEST(CallGateTest, NobodyWaitsWhereNoCallIsOpen) {
  CallGate gate;
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::InfinitePast()));
  gate.Enter();
  gate.Leave();
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::InfinitePast()));
}

TEST(CallGateTest, ADeadlineEndsTheWaitForACallThatStaysOpen) {
  CallGate gate;
  gate.Enter();
  EXPECT_FALSE(gate.WaitUntilEmpty(absl::InfinitePast()));
  EXPECT_FALSE(gate.WaitUntilEmpty(absl::Now() + absl::Milliseconds(1)));
  gate.Leave();
}

TEST(CallGateTest, TheLastCallThatLeavesEndsTheWait) {
  CallGate gate;
  gate.Enter();
  gate.Enter();
  gate.Leave();
  EXPECT_FALSE(gate.WaitUntilEmpty(absl::InfinitePast())) << "one of two is left";
  std::thread last([&] { gate.Leave(); });
  EXPECT_TRUE(gate.WaitUntilEmpty(absl::Now() + absl::Seconds(30)));
  last.join();
}

}  // namespace
}  // namespace videodiffcr
