#include "client/running_calls.h"

#include <gtest/gtest.h>

#include <thread>

namespace videodiffcr {
namespace {

TEST(RunningCallsTest, WithoutAnyCallThereIsNothingToBringToAnEnd) {
  RunningCalls calls;
  EXPECT_FALSE(calls.CancelAll());
  EXPECT_TRUE(calls.cancelled());
}

TEST(RunningCallsTest, SleepEndsWithItsTimeOrWhenAllIsCancelled) {
  RunningCalls calls;
  EXPECT_TRUE(calls.Sleep(absl::ZeroDuration()));
  EXPECT_TRUE(calls.Sleep(absl::Nanoseconds(1)));
  std::thread interrupt([&calls] { calls.CancelAll(); });
  EXPECT_FALSE(calls.Sleep(absl::Hours(1)));
  interrupt.join();
  EXPECT_FALSE(calls.Sleep(absl::ZeroDuration()));
}

}  // namespace
}  // namespace videodiffcr
