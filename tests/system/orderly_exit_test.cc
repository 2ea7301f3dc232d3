#include "system/orderly_exit.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <thread>

namespace videodiffcr {
namespace {

TEST(OrderlyExitDeathTest, AnExceptionThatNoThreadCatchesEndsTheProcessWithALineAndStatusOne) {
  EXPECT_EXIT(
      {
        ExitOnUnattributableFailures("program");
        std::thread([] { throw std::bad_alloc(); }).join();
      },
      ::testing::ExitedWithCode(1), "program: a failure that belongs to no session: std::bad_alloc");
}

TEST(OrderlyExitDeathTest, ALibraryThatAbortsEndsTheProcessTheSameWay) {
  EXPECT_EXIT(
      {
        ExitOnUnattributableFailures("program");
        std::abort();
      },
      ::testing::ExitedWithCode(1), "program: aborted");
}

}  // namespace
}  // namespace videodiffcr
