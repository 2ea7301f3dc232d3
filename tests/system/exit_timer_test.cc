#include "system/exit_timer.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace videodiffcr {
namespace {

TEST(ExitTimerTest, AProcessThatIsStuckEndsWithStatusOneAndALine) {
  EXPECT_EXIT(
      {
        EndProcessAfter("videodiffcr-any", absl::Milliseconds(20));
        while (true) pause();
      },
      testing::ExitedWithCode(1), "videodiffcr-any: did not end in time");
}

TEST(ExitTimerTest, NoTimeIsSoonAndTheLatestCallCounts) {
  EXPECT_EXIT(
      {
        EndProcessAfter("", absl::Hours(1));
        EndProcessAfter("", absl::ZeroDuration());
        while (true) pause();
      },
      testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace videodiffcr
