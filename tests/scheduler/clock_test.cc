#include "threading/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace videodiffcr {
namespace {

absl::Time SteadyReading() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// The wall clock may be set an hour back: then a server that went by it would stand still for an hour.
TEST(RealClockTest, GoesByTheSteadyClockNotByTheWall) {
  RealClock clock;
  const absl::Time before = SteadyReading();
  const absl::Time now = clock.Now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, SteadyReading());
}

TEST(RealClockTest, AWaitEndsAtItsDeadline) {
  RealClock clock;
  Mutex mutex;
  CondVar never;
  const absl::Time deadline = clock.Now() + absl::Milliseconds(1);
  MutexLock lock(&mutex);
  while (clock.Now() < deadline) clock.WaitUntil(deadline, &never, &mutex);
}

}  // namespace
}  // namespace videodiffcr
