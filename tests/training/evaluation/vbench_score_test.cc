#include "training/evaluation/vbench_score.h"

#include <array>
#include <limits>

#include "gtest/gtest.h"

namespace videodiffcr::training {
namespace {

template <size_t count>
std::array<double, count> Raw(const std::array<VBenchDimension, count>& dimensions, double VBenchDimension::*bound) {
  std::array<double, count> raw{};
  for (size_t i = 0; i < count; ++i) raw[i] = dimensions[i].*bound;
  return raw;
}

TEST(VBenchScore, Acceptance12AllAtTheirMostGiveOneAndAllAtTheirLeastGiveZero) {
  EXPECT_NEAR(VBenchGroupScore(kVBenchQuality, Raw(kVBenchQuality, &VBenchDimension::most)), 1.0, 1e-12);
  EXPECT_NEAR(VBenchGroupScore(kVBenchSemantic, Raw(kVBenchSemantic, &VBenchDimension::most)), 1.0, 1e-12);
  EXPECT_NEAR(VBenchGroupScore(kVBenchQuality, Raw(kVBenchQuality, &VBenchDimension::least)), 0.0, 1e-12);
  EXPECT_NEAR(VBenchGroupScore(kVBenchSemantic, Raw(kVBenchSemantic, &VBenchDimension::least)), 0.0, 1e-12);
}

TEST(VBenchScore, Acceptance12TheDenseRowOfThePaperAddsUp) { EXPECT_NEAR(VBenchTotal(83.07, 79.28), 82.312, 1e-9); }

TEST(VBenchScore, DynamicDegreeCountsHalf) {
  std::array<double, 7> raw = Raw(kVBenchQuality, &VBenchDimension::least);
  raw[4] = 1.0;
  EXPECT_NEAR(VBenchGroupScore(kVBenchQuality, raw), 0.5 / 6.5, 1e-12);
}

TEST(VBenchScore, ADimensionOfWeightZeroCountsForNothingWhateverItsBoundsAndItsScore) {
  std::array<VBenchDimension, 7> dimensions = kVBenchQuality;
  std::array<double, 7> raw = Raw(dimensions, &VBenchDimension::most);
  dimensions[4].weight = 0.0;
  dimensions[4].least = dimensions[4].most;
  raw[4] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NEAR(VBenchGroupScore(dimensions, raw), 1.0, 1e-12);
}

TEST(VBenchScore, ARawScoreBeyondItsMostIsNotClipped) {
  std::array<double, 9> raw = Raw(kVBenchSemantic, &VBenchDimension::most);
  raw[7] = 0.728;
  EXPECT_NEAR(VBenchGroupScore(kVBenchSemantic, raw), 10.0 / 9.0, 1e-12);
}

}  // namespace
}  // namespace videodiffcr::training
