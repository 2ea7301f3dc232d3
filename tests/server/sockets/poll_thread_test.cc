#include "server/sockets/poll_thread.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace videodiffcr {
namespace {

TEST(PollThreadTest, IsToldToLeaveAndWaitedFor) {
  bool told = false;
  {
    PollThread thread;
    const auto run = [&told, &thread] {
      pollfd leave = {thread.leave(), POLLIN, 0};
      told = poll(&leave, 1, -1) == 1 && leave.revents == POLLIN;
    };
    ASSERT_TRUE(thread.Start(run).ok());
  }
  EXPECT_TRUE(told);
}

TEST(PollThreadTest, OneThatWasNeverStartedHoldsNobodyUp) { const PollThread thread; }

}  // namespace
}  // namespace videodiffcr
