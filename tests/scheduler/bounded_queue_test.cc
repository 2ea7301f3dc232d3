#include "scheduler/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace videodiffcr {
namespace {

TEST(BoundedQueueTest, ItemsLeaveInTheOrderInWhichTheyCame) {
  BoundedQueue<int> queue(3);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), 2);
}

TEST(BoundedQueueTest, AFullQueueRefusesUntilAnItemLeaves) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_FALSE(queue.TryPush(2));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_TRUE(queue.TryPush(3));
}

TEST(BoundedQueueTest, AClosedQueueTakesNothingGivesWhatItHoldsAndThenAnswersNothing) {
  BoundedQueue<int> queue(3);
  EXPECT_TRUE(queue.TryPush(1));
  queue.Close();
  EXPECT_FALSE(queue.TryPush(2));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueueTest, CloseWakesAllWhoWait) {
  BoundedQueue<int> queue(1);
  std::atomic<int> woken = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      EXPECT_EQ(queue.Pop(), std::nullopt);
      ++woken;
    });
  }
  queue.Close();
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(woken, 4);
}

TEST(BoundedQueueTest, EveryItemReachesExactlyOneOfManyThreads) {
  BoundedQueue<std::unique_ptr<int>> queue(1000);
  std::atomic<int> sum = 0;
  std::vector<std::thread> takers;
  for (int i = 0; i < 4; ++i) {
    takers.emplace_back([&] {
      while (auto item = queue.Pop()) sum += **item;
    });
  }
  for (int i = 1; i <= 1000; ++i) ASSERT_TRUE(queue.TryPush(std::make_unique<int>(i)));
  queue.Close();
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(sum, 500'500);
}

}  // namespace
}  // namespace videodiffcr
