#include "model/gpu/side_thread.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace videodiffcr::gpu {
namespace {

TEST(SideThreadTest, EveryJobRunsOnTheOneThreadThatIsNobodyElses) {
  SideThread side;
  std::thread::id first, second;
  side.Run([&first] { first = std::this_thread::get_id(); });
  std::thread([&] { side.Run([&second] { second = std::this_thread::get_id(); }); }).join();
  EXPECT_EQ(first, second);
  EXPECT_NE(first, std::this_thread::get_id());
}

TEST(SideThreadTest, JobsOfManyCallersRunOneAtATime) {
  SideThread side;
  int count = 0;  // a plain int: the thread sanitizer watches it
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 500; ++i) side.Run([&count] { ++count; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(count, 2000);
}

}  // namespace
}  // namespace videodiffcr::gpu
