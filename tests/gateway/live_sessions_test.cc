#include "gateway/live/live_sessions.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/fakes/manual_clock.h"
#include "tests/fakes/no_threads.h"

namespace videodiffcr {
namespace {

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
