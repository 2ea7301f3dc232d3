#include "training/evaluation/clip_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

JudgedClips TwoClips() {
  JudgedClips judged;
  judged.group = {"ours", "3", "short", 7, "router", 1, {0.6875, 0.75, 123.45e6, 234.56e6}};
  judged.clips.resize(2);
  judged.clips[0].prompted = {3, 7, 1, 6, 0, 5, 2};
  judged.clips[0].values[kShape] = 1;
  judged.clips[0].values[kAllRight] = 0;
  judged.clips[0].values[kImagingQuality] = 0.98765;
  judged.clips[1].clip = 1;
  judged.clips[1].prompted = {0, 0, -1, 0, 0, 0, 0};
  judged.clips[1].values[kFrechet] = -12.5;
  return judged;
}

std::string Write(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/clip_record_test.csv";
  std::ofstream(path) << text;
  return path;
}

TEST(ClipRecordTest, WritesOneShortLinePerClip) {
  EXPECT_EQ(FormatClips(TwoClips()),
            "ours,3,short,7,router,1,0.6875,0.7500,123.45,234.56,0,3716052,1,,,,,,,0,,,,,,,0.988,,,,\n"
            "ours,3,short,7,router,1,0.6875,0.7500,123.45,234.56,1,00-0000,,,,,,,,,-12.5,,,,,,,,,,\n");
}

TEST(ClipRecordTest, ReadsSeveralJudgementsBehindEachOther) {
  const std::string one = ClipFileHeader("evaluate --clips 2") + FormatClips(TwoClips());
  JudgedClips other = TwoClips();
  other.group.training_seed = "4";
  const auto judged = ReadClipFile(Write(one + ClipFileHeader("evaluate --clips 2") + FormatClips(other)));
  ASSERT_TRUE(judged.ok()) << judged.status();
  ASSERT_EQ(judged->size(), 2u);
  EXPECT_EQ((*judged)[1].group.training_seed, "4");
}

TEST(ClipRecordTest, ReadsWhatItWrote) {
  JudgedClips dense = TwoClips();
  dense.group.budget = 10;
  const auto judged =
      ReadClipFile(Write(ClipFileHeader("evaluate --clips 2") + FormatClips(dense) + FormatClips(TwoClips())));
  ASSERT_TRUE(judged.ok()) << judged.status();
  ASSERT_EQ(judged->size(), 2u);
  const JudgedClips& read = (*judged)[1];
  EXPECT_EQ(read.group.method, "ours");
  EXPECT_EQ(read.group.training_seed, "3");
  EXPECT_EQ(read.group.budget, 7);
  EXPECT_DOUBLE_EQ(read.group.cost.executed, 0.6875);
  EXPECT_DOUBLE_EQ(read.group.cost.multiply_adds_with_context, 234.56e6);
  ASSERT_EQ(read.clips.size(), 2u);
  EXPECT_EQ(read.clips[1].clip, 1);
  EXPECT_EQ(read.clips[1].prompted, TwoClips().clips[1].prompted);
  EXPECT_DOUBLE_EQ(read.clips[0].values[kAllRight], 0);
  EXPECT_TRUE(std::isnan(read.clips[0].values[kFrechet]));
  EXPECT_DOUBLE_EQ(read.clips[1].values[kFrechet], -12.5);
}

TEST(ClipRecordTest, NamesFileLineFieldAndValueOfWhatIsWrong) {
  const std::string header = ClipFileHeader("evaluate"), lines = FormatClips(TwoClips());
  const auto error = [&](const std::string& text) { return std::string(ReadClipFile(Write(text)).status().message()); };
  EXPECT_THAT(error(header + lines + "a,b\n"), HasSubstr("clip_record_test.csv:5: 2 fields; must be 31"));
  std::string wrong = lines;
  wrong.replace(wrong.find("0.988"), 5, "\"nan\" ");
  EXPECT_THAT(error(header + wrong), HasSubstr(":3: imaging_quality '\"nan\" ': must be a number"));
  wrong = lines;
  wrong.replace(wrong.find("3716052"), 7, "9716052");
  EXPECT_THAT(error(header + wrong), HasSubstr(":3: prompt '9716052': must be seven values"));
  EXPECT_THAT(error("shape,colour\n1,2\n"), HasSubstr(":1: not a per-clip file"));
  EXPECT_THAT(error(header), HasSubstr("no clips in it"));
  EXPECT_EQ(ReadClipFile("/nowhere/clips.csv").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace videodiffcr::training
