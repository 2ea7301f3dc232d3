#include "training/run/step_ahead.h"

#include <gtest/gtest.h>

#include <atomic>

namespace videodiffcr::training {
namespace {

TEST(StepAheadTest, GivesEveryStepItsOwnWhateverTheOrder) {
  StepAhead<int64_t> squares([](int64_t step) { return step * step; });
  for (const int64_t step : {0, 1, 2, 7, 8, 3}) EXPECT_EQ(squares.Take(step), step * step);
}

TEST(StepAheadTest, MakesStepsThatFollowEachOtherOnce) {
  std::atomic<int> made = 0;
  {
    StepAhead<int64_t> steps([&made](int64_t step) {
      ++made;
      return step;
    });
    for (int64_t step = 0; step < 5; ++step) steps.Take(step);
  }
  EXPECT_EQ(made, 6) << "the five, and one ahead";
}

}  // namespace
}  // namespace videodiffcr::training
