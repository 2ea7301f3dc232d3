#include "training/evaluation/quality_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace videodiffcr::training {
namespace {

TEST(ShareTest, HasTheBinomialStandardError) {
  EXPECT_DOUBLE_EQ((Share{80, 100}.standard_error()), 0.04);
  EXPECT_DOUBLE_EQ((Share{0, 0}.standard_error()), 0);
  EXPECT_DOUBLE_EQ((Share{5, 5}.standard_error()), 0);
}

TEST(QualityRowTest, CountsAClipRightOnlyWhenAllAttributesAre) {
  QualityRow row;
  const AttributeValues prompted = {kCircle, 0, 1, kRight, 1, 2, kCheckered};
  AddClip(prompted, prompted, row);
  AttributeValues other_color = prompted;
  other_color[kColor] = 5;
  AddClip(prompted, other_color, row);
  EXPECT_EQ(row.all.asked, 2);
  EXPECT_EQ(row.all.right, 1);
  EXPECT_EQ(row.attributes[kColor].right, 1);
  EXPECT_EQ(row.attributes[kShape].right, 2);
}

TEST(QualityRowTest, DoesNotAskForTheSpeedOfWhatStandsStill) {
  QualityRow row;
  const AttributeValues still = {kCircle, 0, 1, kStill, 1, 2, kCheckered};
  AttributeValues slow = still;
  slow[kSpeed] = 0;
  AddClip(still, slow, row);
  EXPECT_EQ(row.all.right, 1);
  EXPECT_EQ(row.attributes[kSpeed].asked, 0);
}

TEST(QualityRowTest, DoesNotAskForWhatTheCaptionLeftOpen) {
  QualityRow row;
  AddClip({kCircle, 0, -1, kRight, 1, 2, kCheckered}, {kCircle, 0, 1, kRight, 1, 2, kCheckered}, row);
  EXPECT_EQ(row.all.right, 1);
  EXPECT_EQ(row.attributes[kSize].asked, 0);
}

TEST(QualityReportTest, NamesTheMostFrequentMistakesFirst) {
  QualityRow row;
  const AttributeValues prompted = {kCircle, 0, 1, kBounce, 1, 2, kCheckered};
  AttributeValues orbit = prompted, star = prompted;
  orbit[kMotion] = kOrbit;
  star[kShape] = kStar;
  for (const AttributeValues& read : {star, orbit, orbit}) AddClip(prompted, read, row);
  EXPECT_EQ(FormatMistakes(row, 5), "motion: bounce read as orbit 2; shape: circle read as star 1");
  EXPECT_EQ(FormatMistakes(row, 1), "motion: bounce read as orbit 2");
}

TEST(QualityReportTest, WritesOneCsvLinePerCondition) {
  QualityRow row;
  row.condition = "dense";
  row.all = {3, 4};
  row.seconds = 2.5;
  row.cost = {0.6875, 0.75, 12.5e6, 20.25e6};
  for (Share& share : row.attributes) share = {4, 4};
  EXPECT_EQ(FormatCsv({row}),
            "condition,n,all,all_standard_error,shape,colour,size,motion,speed,background_colour,texture,"
            "frechet_distance,seconds,executed,executed_with_context,mmacs,mmacs_with_context,quality,semantic,total\n"
            "dense,4,0.7500,0.2165,1.0000,1.0000,1.0000,1.0000,1.0000,1.0000,1.0000,0.00,2.5,0.6875,0.7500,12.50,20.25,"
            ",,\n");
  row.score = QualityScore{0.9, 0.8, 0.88};
  EXPECT_THAT(FormatCsv({row}), ::testing::HasSubstr(",20.25,0.9000,0.8000,0.8800\n"));
  row.condition = "retention 0.5, random";
  EXPECT_THAT(FormatCsv({row}), ::testing::HasSubstr("\n\"retention 0.5, random\",4,0.7500,"));
}

}  // namespace
}  // namespace videodiffcr::training
