#include "system/thread_niceness.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <thread>

namespace videodiffcr {
namespace {

// Of the calling thread.
int Niceness() { return getpriority(PRIO_PROCESS, 0); }

TEST(ThreadNicenessTest, AThreadStandsBackAloneWithWhatItStarts) {
  const int before = Niceness();
  int within = 0, started = 0;
  std::thread([&] {
    StandBack(3);
    within = Niceness();
    std::thread([&] { started = Niceness(); }).join();
  }).join();
  EXPECT_EQ(within, std::min(before + 3, kMostNiceness));
  EXPECT_EQ(started, within);
  EXPECT_EQ(Niceness(), before);
}

TEST(ThreadNicenessTest, NoLevelsAreNoChange) {
  const int before = Niceness();
  StandBack(0);
  EXPECT_EQ(Niceness(), before);
}

}  // namespace
}  // namespace videodiffcr
