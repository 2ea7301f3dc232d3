#include "training/evaluation/paired_bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace videodiffcr::training {
namespace {

constexpr double kNotAsked = std::numeric_limits<double>::quiet_NaN();

TEST(QuantileTest, LiesBetweenItsNeighbours) {
  EXPECT_DOUBLE_EQ(Quantile({1, 2, 3, 4}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(Quantile({1, 2, 3, 4}, 0), 1);
  EXPECT_DOUBLE_EQ(Quantile({1, 2, 3, 4}, 1), 4);
  EXPECT_DOUBLE_EQ(Quantile({0, 10}, 0.25), 2.5);
}

TEST(PairedBootstrapTest, HasNoDoubtWhereAllClipsAreAlike) {
  const BootstrapInterval interval = Bootstrap({{0.25, 0.25, 0.25}, {0.25, 0.25, 0.25}}, {});
  EXPECT_DOUBLE_EQ(interval.mean, 0.25);
  EXPECT_DOUBLE_EQ(interval.low, 0.25);
  EXPECT_DOUBLE_EQ(interval.high, 0.25);
}

// Two clips: a replicate's mean is 0, 0.5 or 1 with probability 1/4, 1/2 and 1/4.
TEST(PairedBootstrapTest, DrawsClipsWithReplacement) {
  const BootstrapInterval interval = Bootstrap({{0, 1}}, {});
  EXPECT_DOUBLE_EQ(interval.mean, 0.5);
  EXPECT_DOUBLE_EQ(interval.low, 0);
  EXPECT_DOUBLE_EQ(interval.high, 1);
}

// All clips of a seed agree, so drawing clips alone would leave no doubt.
TEST(PairedBootstrapTest, DrawsTrainingSeedsToo) {
  const BootstrapInterval interval = Bootstrap({{0, 0, 0}, {1, 1, 1}}, {});
  EXPECT_DOUBLE_EQ(interval.mean, 0.5);
  EXPECT_DOUBLE_EQ(interval.low, 0);
  EXPECT_DOUBLE_EQ(interval.high, 1);
}

TEST(PairedBootstrapTest, IsAsWideAsTheBinomialIntervalForOneSeed) {
  std::vector<double> clips(400, 0);
  for (size_t i = 0; i < 320; ++i) clips[i] = 1;
  const BootstrapInterval interval = Bootstrap({clips}, {});
  const double error = std::sqrt(0.8 * 0.2 / 400);
  EXPECT_NEAR(interval.low, 0.8 - 1.96 * error, 0.004);
  EXPECT_NEAR(interval.high, 0.8 + 1.96 * error, 0.004);
  EXPECT_NEAR(interval.one_sided_low, 0.8 - 1.645 * error, 0.004);
}

TEST(PairedBootstrapTest, PairingTakesAwayWhatClipsHaveInCommon) {
  const SeedClipValues reference = {{0, 1, 0, 1, 1, 0}}, values = {{0.5, 1.5, 0.5, 1.5, 1.5, 0.5}};
  const BootstrapInterval interval = Bootstrap(PairedDifferences(values, reference), {});
  EXPECT_DOUBLE_EQ(interval.low, 0.5);
  EXPECT_DOUBLE_EQ(interval.high, 0.5);
}

TEST(PairedBootstrapTest, LeavesOutWhatWasNotAsked) {
  EXPECT_DOUBLE_EQ(MeanOfValues({{1, kNotAsked, 0, kNotAsked}}), 0.5);
  EXPECT_DOUBLE_EQ(Bootstrap({{1, kNotAsked, 1, kNotAsked}}, {}).low, 1);
  EXPECT_TRUE(std::isnan(Bootstrap({{kNotAsked}}, {}).mean));
  EXPECT_TRUE(std::isnan(MeanOfValues({})));
}

TEST(PairedBootstrapTest, RepeatsItselfForTheSameSeedOnly) {
  const SeedClipValues values = {{0.1, 0.7, 0.4, 0.9, 0.3, 0.25, 0.6}};
  BootstrapOptions options;
  options.replicates = 50;
  const BootstrapInterval first = Bootstrap(values, options), second = Bootstrap(values, options);
  EXPECT_EQ(first.low, second.low);
  options.seed = 2;
  EXPECT_NE(first.low, Bootstrap(values, options).low);
}

TEST(NonInferiorityTest, AsksWhetherTheWholeOneSidedIntervalIsInsideTheMargin) {
  BootstrapInterval difference;
  difference.mean = 0;
  difference.one_sided_low = -0.009;
  difference.one_sided_high = 0.02;
  EXPECT_TRUE(IsNotInferior(difference, /*more_is_better=*/true, 0.01));
  EXPECT_FALSE(IsNotInferior(difference, /*more_is_better=*/false, 0.01));
  difference.one_sided_low = -0.011;
  EXPECT_FALSE(IsNotInferior(difference, /*more_is_better=*/true, 0.01));
}

}  // namespace
}  // namespace videodiffcr::training
