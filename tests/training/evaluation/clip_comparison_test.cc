#include "training/evaluation/clip_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

JudgedClips Judged(const std::string& method, const std::string& training_seed, const std::vector<double>& all) {
  JudgedClips judged;
  judged.group = {method, training_seed, "short", method == "dense" ? 10 : 7, "router", 1, {}};
  for (size_t i = 0; i < all.size(); ++i) {
    ClipRecord record;
    record.clip = static_cast<int64_t>(i);
    record.prompted[kColor] = static_cast<int>(i % 8);
    record.values[kAllRight] = all[i];
    judged.clips.push_back(record);
  }
  return judged;
}

std::vector<MethodClips> Methods(const std::vector<JudgedClips>& judged) { return GroupByMethod(judged).value(); }

TEST(ClipComparisonTest, GathersTheTrainingSeedsOfAMethod) {
  const auto methods =
      Methods({Judged("dense", "1", {1, 1}), Judged("ours", "1", {1, 0}), Judged("ours", "2", {0, 0})});
  ASSERT_EQ(methods.size(), 2u);
  EXPECT_EQ(methods[0].name(), "dense, dense");
  EXPECT_EQ(methods[1].name(), "ours, retention 0.7, router");
  EXPECT_EQ(methods[1].seeds.size(), 2u);
  EXPECT_THAT(GroupByMethod({Judged("ours", "1", {1}), Judged("ours", "1", {1})}).status().message(),
              HasSubstr("training seed '1' is there twice"));
}

TEST(ClipComparisonTest, PairsClipsAndSeeds) {
  const auto methods = Methods({Judged("dense", "1", {1, 1, 0, 0}), Judged("dense", "2", {1, 0, 0, 0}),
                                Judged("ours", "2", {1, 0, 0, 1}), Judged("ours", "1", {1, 1, 0, 0})});
  const Comparison comparison = Compare(methods[0], methods[1], {}).value();
  EXPECT_EQ(comparison.training_seeds, 2);
  EXPECT_EQ(comparison.clips, 4);
  EXPECT_DOUBLE_EQ(comparison.reference_mean, 3.0 / 8);
  EXPECT_DOUBLE_EQ(comparison.other_mean, 4.0 / 8);
  EXPECT_DOUBLE_EQ(comparison.difference.mean, 1.0 / 8);
  // Paired by label, seed 1 differs nowhere and seed 2 in one clip: no replicate falls below 0.
  EXPECT_DOUBLE_EQ(comparison.difference.low, 0);
  EXPECT_TRUE(comparison.not_inferior);
}

TEST(ClipComparisonTest, ASingleSeedGoesWithAllOfTheOthers) {
  const auto methods =
      Methods({Judged("dense", "teacher", {1, 1}), Judged("ours", "1", {1, 0}), Judged("ours", "2", {1, 1})});
  const Comparison comparison = Compare(methods[0], methods[1], {}).value();
  EXPECT_EQ(comparison.training_seeds, 2);
  EXPECT_DOUBLE_EQ(comparison.difference.mean, -0.25);
  EXPECT_FALSE(comparison.not_inferior);
  EXPECT_DOUBLE_EQ(Compare(methods[1], methods[0], {}).value().difference.mean, 0.25);
}

TEST(ClipComparisonTest, UsesTheClipsInCommonOnly) {
  const auto methods = Methods({Judged("dense", "1", {1, 1, 0}), Judged("ours", "1", {1, 0})});
  EXPECT_EQ(Compare(methods[0], methods[1], {}).value().clips, 2);
}

TEST(ClipComparisonTest, RefusesOtherPromptsAndStrangers) {
  JudgedClips other_seed = Judged("ours", "1", {1, 0});
  other_seed.group.evaluation_seed = 2;
  auto methods = Methods({Judged("dense", "1", {1, 1}), other_seed});
  EXPECT_THAT(Compare(methods[0], methods[1], {}).status().message(), HasSubstr("clip 0 has another prompt"));
  JudgedClips other_prompt = Judged("ours", "1", {1, 0});
  other_prompt.clips[1].prompted[kSize] = 1;
  methods = Methods({Judged("dense", "1", {1, 1}), other_prompt});
  EXPECT_THAT(Compare(methods[0], methods[1], {}).status().message(), HasSubstr("clip 1 has another prompt"));
  methods = Methods(
      {Judged("dense", "1", {1}), Judged("dense", "2", {1}), Judged("ours", "3", {1}), Judged("ours", "4", {1})});
  EXPECT_THAT(Compare(methods[0], methods[1], {}).status().message(), HasSubstr("no training seed in common"));
}

TEST(ClipComparisonTest, SaysWhatItFoundToPeopleAndPrograms) {
  const auto methods = Methods({Judged("dense", "1", {1, 1}), Judged("ours", "1", {1, 1})});
  const Comparison comparison = Compare(methods[0], methods[1], {}).value();
  EXPECT_THAT(FormatComparisons({comparison}, {}),
              HasSubstr("short: dense, dense 1.0000, ours, retention 0.7, router 1.0000, difference +0.0000 "
                        "(95 % +0.0000 to +0.0000), not inferior; 2 clips, 1 seeds"));
  EXPECT_THAT(FormatComparisonsCsv({comparison}, {}),
              HasSubstr("\nshort,all,dense dense,ours retention 0.7 router,1,2,1,1,0,0,0,0,0.01,yes\n"));
}

}  // namespace
}  // namespace videodiffcr::training
