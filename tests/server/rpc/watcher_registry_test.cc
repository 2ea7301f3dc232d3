#include "server/rpc/watcher_registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

std::string ReasonOf(const absl::StatusOr<WatcherRegistry::Slot>& slot) { return ErrorReason(slot.status()); }

TEST(WatcherRegistryTest, APlaceIsTakenUntilItsSlotIsReleasedOrGone) {
  prometheus::Gauge gauge;
  WatcherRegistry registry(1, &gauge);
  {
    const absl::StatusOr<WatcherRegistry::Slot> slot = registry.Enter();
    ASSERT_TRUE(slot.ok());
    EXPECT_EQ(ReasonOf(registry.Enter()), "TOO_MANY_WATCHERS");
    EXPECT_EQ(gauge.Value(), 1);
  }
  absl::StatusOr<WatcherRegistry::Slot> again = registry.Enter();
  ASSERT_TRUE(again.ok());
  WatcherRegistry::Slot moved = *std::move(again);
  moved.Release();
  moved.Release();  // once only
  EXPECT_EQ(gauge.Value(), 0);
  EXPECT_TRUE(registry.Enter().ok());
}

TEST(WatcherRegistryTest, OfManyWhoComeAtOnceNoMoreGetInThanThereArePlaces) {
  constexpr int kPlaces = 3;
  prometheus::Gauge gauge;
  WatcherRegistry registry(kPlaces, &gauge);
  for (int round = 0; round < 100; ++round) {
    std::atomic<bool> go = false;
    std::vector<WatcherRegistry::Slot> slots(8);
    std::vector<std::thread> threads;
    std::atomic<int> entered = 0;
    for (WatcherRegistry::Slot& place : slots) {
      threads.emplace_back([&] {
        while (!go) std::this_thread::yield();
        absl::StatusOr<WatcherRegistry::Slot> slot = registry.Enter();
        if (!slot.ok()) return;
        place = *std::move(slot);
        ++entered;
      });
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(entered, kPlaces);
    ASSERT_EQ(gauge.Value(), kPlaces);
  }
  EXPECT_EQ(gauge.Value(), 0);
}

}  // namespace
}  // namespace videodiffcr
