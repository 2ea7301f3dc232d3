#include "client/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace videodiffcr {
namespace {

constexpr absl::Duration kNoTime = absl::Milliseconds(1);

// As a command whose standard output is a pipe that nobody reads.
[[noreturn]] void BeStuck() {
  while (true) pause();
}

TEST(InterruptWatcherTest, WhatIsStuckIsEndedOnceItsPatienceIsOver) {
  EXPECT_EXIT(
      {
        const InterruptWatcher watcher([] { return true; }, [] { return true; }, kNoTime);
        kill(getpid(), SIGTERM);
        BeStuck();
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(InterruptWatcherTest, WhatOnlyTakesItsTimeIsNot) {
  EXPECT_EXIT(
      {
        std::atomic<int> asked = 0;
        {
          const InterruptWatcher watcher([] { return true; }, [&asked] { return ++asked < 0; }, kNoTime);
          kill(getpid(), SIGTERM);
          while (asked < 3) usleep(100);
        }
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

TEST(InterruptWatcherTest, ASecondSignalEndsWhateverRuns) {
  EXPECT_EXIT(
      {
        const InterruptWatcher watcher([] { return true; }, [] { return false; });
        kill(getpid(), SIGTERM);
        while (!watcher.interrupted()) usleep(100);
        kill(getpid(), SIGINT);
        BeStuck();
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace videodiffcr
