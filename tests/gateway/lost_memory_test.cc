// Where the gateway's memory fails, allocation by allocation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "gateway/live/live_sessions.h"
#include "tests/fakes/failing_allocation.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/no_threads.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// Up to the memory of its thread. What is answered behind it is JSON, whose library ends the process without memory.
TEST(GatewayLostMemoryTest, ALiveSessionThatThereIsNoMemoryToBeginLeavesItsPlace) {
  prometheus::Registry registry;
  GatewayMetrics metrics(&registry);
  const ManualClock clock;
  LiveSessions sessions({.max_sessions = 1}, &clock, /*pool=*/nullptr, &metrics);
  const NoThreads while_it_lives;
  std::optional<absl::Status> told;
  const auto begin = [&] {
    return sessions.Start({}, "", [&told](const auto& described) { told = described.status(); });
  };
  for (int64_t number = 1; !told.has_value(); ++number) {
    ASSERT_TRUE(WithFailingAllocation(number, [&] { begin().IgnoreError(); }));
    if (told.has_value()) {
      EXPECT_THAT(std::string(told->message()), HasSubstr("bad_alloc"));
    }
    const std::optional<absl::Status> of_the_failed = told;
    const auto next = begin();
    EXPECT_TRUE(next.ok()) << "after allocation " << number << ": " << next.status();
    told = of_the_failed;
  }
}

}  // namespace
}  // namespace videodiffcr
