#include "gateway/live/live_sessions.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <optional>

#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

// While this lives no thread starts in this process: its stack would be larger than all addresses there are.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_getattr_default_np(&huge);
    EXPECT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 50), 0);
    EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    EXPECT_EQ(pthread_setattr_default_np(&before_), 0);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

TEST(LiveSessionsTest, ASessionWithoutAThreadIsRefusedAtOnceAndLeavesItsPlace) {
  prometheus::Registry registry;
  GatewayMetrics metrics(&registry);
  const ManualClock clock;
  LiveSessions sessions({.max_sessions = 1}, &clock, /*pool=*/nullptr, &metrics);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const NoThreads while_it_lives;
    std::optional<absl::Status> told;
    const auto session = sessions.Start({}, "", [&told](const auto& described) { told = described.status(); });
    ASSERT_TRUE(session.ok()) << session.status();
    ASSERT_TRUE(told.has_value()) << "nobody answers";
    EXPECT_TRUE(absl::IsResourceExhausted(*told)) << *told;
    EXPECT_TRUE((*session)->ended());
  }
}

}  // namespace
}  // namespace videodiffcr
