#include "system/signals.h"

#include <thread>

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

TEST(SignalsTest, ASetHoldsWhatItIsMadeOfAndNothingElse) {
  const sigset_t set = SignalSet({SIGUSR1, SIGALRM});
  EXPECT_EQ(sigismember(&set, SIGUSR1), 1);
  EXPECT_EQ(sigismember(&set, SIGALRM), 1);
  EXPECT_EQ(sigismember(&set, SIGUSR2), 0);
  const sigset_t stop = StopSignals();
  EXPECT_EQ(sigismember(&stop, SIGINT), 1);
  EXPECT_EQ(sigismember(&stop, SIGTERM), 1);
  EXPECT_EQ(sigismember(&stop, SIGUSR1), 0);
}

TEST(SignalsTest, ABlockedSignalIsTakenOnceAndEndsNothing) {
  const sigset_t set = SignalSet({SIGUSR1});
  BlockSignals(set);
  EXPECT_FALSE(TakeSignal(set, absl::ZeroDuration()));
  raise(SIGUSR1);
  EXPECT_TRUE(TakeSignal(set, absl::ZeroDuration()));
  EXPECT_FALSE(TakeSignal(set, absl::ZeroDuration()));
  UnblockSignals(set);
}

TEST(SignalsTest, AThreadInheritsWhatIsBlocked) {
  const sigset_t set = SignalSet({SIGUSR1});
  BlockSignals(set);
  bool taken = false;
  std::thread other([&] {
    raise(SIGUSR1);
    taken = TakeSignal(set, absl::ZeroDuration());
  });
  other.join();
  UnblockSignals(set);
  EXPECT_TRUE(taken);
}

TEST(SignalsDeathTest, AnUnblockedSignalDoesWhatItDoes) {
  EXPECT_EXIT(
      {
        BlockSignals(StopSignals());
        UnblockSignals(StopSignals());
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace videodiffcr
