#include "training/evaluation/quality_score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <string>

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

QualityBounds Bounds() {
  QualityBounds bounds;
  bounds.least.fill(0.2);
  bounds.most.fill(0.7);
  return bounds;
}

std::string Write(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/quality_score_test.csv";
  std::ofstream(path) << text;
  return path;
}

TEST(QualityScoreTest, TheBadModelGetsZeroAndRendersGetOne) {
  const QualityBounds bounds = Bounds();
  EXPECT_NEAR(ScoreOf(bounds.least, bounds)->total, 0, 1e-12);
  EXPECT_NEAR(ScoreOf(bounds.most, bounds)->total, 1, 1e-12);
}

TEST(QualityScoreTest, WeighsAsVBenchDoesWithoutWhatHasNoProxy) {
  ColumnMeans means = Bounds().least;
  means[kDynamicDegree] = 0.7;  // half a dimension of 5.5
  means[kTexture] = 0.45;       // half of one of seven
  const QualityScore score = *ScoreOf(means, Bounds());
  EXPECT_NEAR(score.quality, 0.5 / 5.5, 1e-12);
  EXPECT_NEAR(score.semantic, 0.5 / 7, 1e-12);
  EXPECT_NEAR(score.total, (4 * 0.5 / 5.5 + 0.5 / 7) / 5, 1e-12);
}

TEST(QualityScoreTest, IsNotGivenWhereADimensionWasNotMeasured) {
  ColumnMeans means = Bounds().least;
  means[kTemporalFlickering] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(ScoreOf(means, Bounds()).has_value());
}

TEST(QualityScoreTest, ADimensionInWhichTheBadModelBeatsRendersWeighsNothing) {
  QualityBounds written = Bounds();
  written.least[kDynamicDegree] = 0.99;
  const auto bounds = ReadBounds(Write(FormatBounds(written, "command")));
  ASSERT_TRUE(bounds.ok()) << bounds.status();
  ColumnMeans means = Bounds().least;
  means[kDynamicDegree] = 0.8;
  EXPECT_NEAR(ScoreOf(means, *bounds)->quality, 0, 1e-12);
  means[kImagingQuality] = 0.7;
  EXPECT_NEAR(ScoreOf(means, *bounds)->quality, 1 / 5.0, 1e-12);
}

TEST(QualityScoreTest, MeansLeaveOutClipsThatWereNotAsked) {
  std::vector<ClipRecord> clips(3);
  clips[0].values[kSpeed] = 1;
  clips[2].values[kSpeed] = 0;
  const ColumnMeans means = MeansOf(clips);
  EXPECT_DOUBLE_EQ(means[kSpeed], 0.5);
  EXPECT_TRUE(std::isnan(means[kShape]));
}

TEST(QualityScoreTest, ReadsTheBoundsThatItWrote) {
  QualityBounds written = Bounds();
  written.most[kImagingQuality] = 0.9;
  const auto read = ReadBounds(Write(FormatBounds(written, "videodiffcr-train evaluate --write-bounds x")));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_DOUBLE_EQ(read->most[kImagingQuality], 0.9);
  EXPECT_DOUBLE_EQ(read->least[kShape], 0.2);
}

TEST(QualityScoreTest, NamesWhatIsWrongWithBounds) {
  const std::string good = FormatBounds(Bounds(), "command");
  const auto error = [](const std::string& text) { return std::string(ReadBounds(Write(text)).status().message()); };
  EXPECT_THAT(error(good.substr(0, good.find("scene,"))), HasSubstr("9 dimensions; must be 13"));
  EXPECT_THAT(error(good + "taste,quality,x,1,0,1\n"), HasSubstr("dimension 'taste': there is no such one"));
  EXPECT_THAT(error(good + "scene,semantic,background_colour,1,0.9,0.9\n"),
              HasSubstr(":16: scene: least '0.9' must be a number below most '0.9', or its weight 0"));
  EXPECT_EQ(ReadBounds("/nowhere/bounds.csv").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace videodiffcr::training
