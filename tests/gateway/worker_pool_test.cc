#include "gateway/worker_pool.h"

#include <gtest/gtest.h>

#include <future>
#include <new>

namespace videodiffcr {
namespace {

TEST(WorkerPoolTest, WorkThatThereIsNoMemoryForIsDroppedAndWhatComesBehindItIsDone) {
  WorkerPool pool(/*threads=*/1, /*max_waiting=*/2);
  std::promise<void> done;
  ASSERT_TRUE(pool.Run([] { throw std::bad_alloc(); }));
  ASSERT_TRUE(pool.Run([&done] { done.set_value(); }));
  done.get_future().wait();
}

}  // namespace
}  // namespace videodiffcr
