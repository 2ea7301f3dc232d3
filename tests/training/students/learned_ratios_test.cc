// Arithmetic of learned ratios against videodiffcr.md sections 5.1, 5.2 and 6.
#include "training/students/learned_ratios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const RatioRule kPaper = {{-3, -1, 1, 3}, 1};

struct BinsCase {
  double rho;
  int delta_tenths, lower, upper;
  double weight, slope;
};

TEST(LearnedRatiosTest, ARatioLiesInTheHalfOpenIntervalOfItsUpperBin) {
  for (const BinsCase& expected : {
           BinsCase{0.8, 0, 7, 8, 1, 10},     // on a bin: that bin alone
           BinsCase{0.8f, 0, 7, 8, 1, 10},    // also when fp32 puts it a little above,
           BinsCase{0.8f, -3, 4, 5, 1, 10},   // or a delta does
           BinsCase{0.75, 0, 7, 8, 0.5, 10},  //
           BinsCase{0.71, 1, 8, 9, 0.1, 10},  //
           BinsCase{1.0, 0, 9, 10, 1, 10},    // at the bounds the gradient passes,
           BinsCase{0.7f, 3, 9, 10, 1, 10},   //
           BinsCase{0.1f, 0, 1, 2, 0, 10},    // the only place where the upper bin weighs nothing
           BinsCase{0.75, 3, 9, 10, 1, 0},    // beyond them not
           BinsCase{0.35, -3, 1, 2, 0, 0},    //
       }) {
    const RatioBins bins = BinsOf(expected.rho, expected.delta_tenths, 1);
    EXPECT_EQ(bins.lower_tenths, expected.lower) << expected.rho;
    EXPECT_EQ(bins.upper_tenths, expected.upper) << expected.rho;
    EXPECT_NEAR(bins.weight, expected.weight, 1e-6) << expected.rho;
    EXPECT_EQ(bins.slope, expected.slope) << expected.rho;
  }
  EXPECT_EQ(BinsOf(0.8f, -3, 1).weight, 1) << "exactly: what is trained is what is served";
}

TEST(LearnedRatiosTest, MeansAreThoseOfThePrintedTable) {
  const auto executed = [](std::vector<int> layers) {
    return MeanRetention(layers, kPaper, RatioAccounting::kExecuted);
  };
  EXPECT_NEAR(executed({10}), 0.9, 1e-9);
  EXPECT_NEAR(executed({10, 8}), 0.8375, 1e-9);
  EXPECT_NEAR(executed({9, 8}), 0.8125, 1e-9);
  EXPECT_NEAR(executed({8, 6}), 0.6875, 1e-9);
  EXPECT_NEAR(executed({6, 4}), 0.5, 1e-9);
  EXPECT_NEAR(executed({3}), 0.325, 1e-9);
  EXPECT_NEAR(MeanRetention({8, 6}, kPaper, RatioAccounting::kNominal), 0.7, 1e-9);
}

TEST(LearnedRatiosTest, AProjectionMovesTheLayersThatWereNearestToBeingRoundedTheOtherWay) {
  const auto nominal = [](std::vector<double> ratios, double target) {
    return ProjectRatios(ratios, target, kPaper, RatioAccounting::kNominal);
  };
  EXPECT_THAT(nominal({0.8, 0.6, 0.8, 0.6}, 0.7), ElementsAre(8, 6, 8, 6)) << "on the target already";
  EXPECT_THAT(nominal({0.81, 0.64, 0.72, 0.63}, 0.725), ElementsAre(8, 7, 7, 7)) << "0.64, then 0.63 go up";
  EXPECT_THAT(nominal({0.79, 0.66, 0.78, 0.56}, 0.675), ElementsAre(8, 6, 8, 5)) << "0.66 and 0.56 go down";
  EXPECT_THAT(nominal({1.0, 0.98}, 0.9), ElementsAre(9, 9)) << "as far as it takes";
  EXPECT_THAT(nominal({0.1, 0.1}, 0.1), ElementsAre(1, 1));
  EXPECT_THAT(ProjectRatios({0.82, 0.73}, 0.8125, kPaper, RatioAccounting::kExecuted), ElementsAre(9, 8));
}

// 0.5 points is what rows of a comparison may be apart (videodiffcr.md section 7). Where deltas are clamped, single
// moves of one layer do not do: those of another, or of two, do.
TEST(LearnedRatiosTest, AProjectedTableExecutesItsTargetWithinAQuarterOfAPoint) {
  for (const std::vector<int>& deltas : {std::vector<int>{-3, -1, 1, 3}, {-4, -2, 2, 4}, {0, 0, 0, 0}}) {
    const RatioRule rule = {deltas, 1};
    for (const std::vector<double>& ratios : {std::vector<double>{0.9, 0.56, 0.4, 0.4, 0.4, 0.4},
                                              {0.61, 0.39, 0.62, 0.42, 0.6, 0.41},
                                              {0.97, 0.31, 0.72, 0.34, 0.43, 0.28}}) {
      for (const double target : {0.5, 0.6875}) {
        const bool steps_differ = deltas[0] != 0;
        const std::vector<int> tenths = ProjectRatios(ratios, target, rule, RatioAccounting::kExecuted);
        EXPECT_NEAR(MeanRetention(tenths, rule, RatioAccounting::kExecuted), target, steps_differ ? 0.0025 : 0.0084)
            << target << " " << ratios[0];
      }
    }
  }
}

TEST(LearnedRatiosTest, TargetsAreNamedByTheirNearestTenth) {
  EXPECT_THAT(BudgetNames({1, 0.8125, 0.7, 0.5}).value(), ElementsAre(10, 8, 7, 5));
  EXPECT_THAT(BudgetNames({0.97}).value(), ElementsAre(9)) << "what is not dense is routed";
  EXPECT_THAT(BudgetNames({0.7, 0.6875}).status().message(), HasSubstr("--target 0.6875: another target"));
  EXPECT_THAT(BudgetNames({0.05}).status().message(), HasSubstr("--target 0.05: must be from 0.1 to 1"));
  EXPECT_FALSE(BudgetNames({}).ok());
}

TEST(LearnedRatiosTest, NumbersAreReadWithCommasBetweenThem) {
  EXPECT_THAT(ParseNumbers("0.9,0.7").value(), ElementsAre(0.9, 0.7));
  for (const char* wrong : {"", "0.9,", "0.9;0.7", "many", "nan"}) EXPECT_FALSE(ParseNumbers(wrong).ok()) << wrong;
}

TEST(LearnedRatiosTest, TheAlternatingPairOfATargetExecutesIt) {
  const RatioRule rule = {{-3, -1, 1, 3}, 1};
  EXPECT_EQ(AlternatingTenths(0.8125, rule), std::make_pair(9, 8));
  EXPECT_EQ(AlternatingTenths(0.6875, rule), std::make_pair(8, 6));
  EXPECT_EQ(AlternatingTenths(0.5, rule), std::make_pair(6, 4));
}

}  // namespace
}  // namespace videodiffcr::training
