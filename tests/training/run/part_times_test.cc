#include "training/run/part_times.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr::training {
namespace {

TEST(PartTimesTest, PartsAreNamedInTheirOrderWithTheirSum) {
  PartTimes times(true, c10::Device(c10::kCPU));
  for (int step = 0; step < 2; ++step) {
    times.BeginStep();
    times.End("rollout");
    times.End("scores");
    times.End("rollout");
  }
  const char* const line = "rollout 0\\.[0-9]+ s, scores 0\\.[0-9]+ s, all 0\\.[0-9]+ s";
  EXPECT_THAT(times.StepLine(), testing::MatchesRegex(line));
  EXPECT_THAT(times.MeanLine(), testing::MatchesRegex(line));
}

TEST(PartTimesTest, TheFirstStepIsLeftOutOfTheMean) {
  PartTimes times(true, c10::Device(c10::kCPU));
  times.BeginStep();
  times.End("rollout");
  EXPECT_EQ(times.MeanLine(), "");
}

TEST(PartTimesTest, NothingIsSaidWhenOff) {
  PartTimes times(false, c10::Device(c10::kCPU));
  times.BeginStep();
  times.End("rollout");
  EXPECT_EQ(times.StepLine(), "");
}

}  // namespace
}  // namespace videodiffcr::training
