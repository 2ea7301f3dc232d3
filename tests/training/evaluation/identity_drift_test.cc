#include "training/evaluation/identity_drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/training/tiny_model.h"
#include "training/data/clip_painter.h"

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

TEST(IsFlippedTest, LooksAtWhatTheCaptionLeftOpenAlone) {
  AttributeValues prompted = {0, 1, kNotSaid, 3, 1, 2, 0};
  const AttributeValues start = {0, 1, 1, 3, 1, 2, 0};
  AttributeValues now = start;
  now[kColor] = 5;
  EXPECT_FALSE(IsFlipped(prompted, start, now));
  now[kSize] = 0;
  EXPECT_TRUE(IsFlipped(prompted, start, now));
  prompted[kSize] = 1;
  prompted[kBackgroundColor] = prompted[kTexture] = kNotSaid;
  EXPECT_FALSE(IsFlipped(prompted, start, now));
  now[kTexture] = 3;
  EXPECT_TRUE(IsFlipped(prompted, start, now));
}

TEST(HueDifferenceTest, GoesTheShortWayRound) {
  EXPECT_DOUBLE_EQ(HueDifference(10, 30), 20);
  EXPECT_DOUBLE_EQ(HueDifference(-170, 170), 20);
  EXPECT_DOUBLE_EQ(HueDifference(-90, 90), 180);
  EXPECT_TRUE(std::isnan(HueDifference(std::nan(""), 90)));
}

// A model that draws `before` until chunk 16 is done, and `after` from there on.
ClipSource Turncoat(const AttributeValues& before, const AttributeValues& after) {
  ClipSource source;
  source.side_by_side = 2;
  source.make = [=](const EvaluationCondition&, const std::vector<ClipRequest>& requests, const ChunkVisitor& visit) {
    const ClipPainter painter(at::kCPU);
    for (int64_t chunk = 0; chunk < requests.front().chunks; ++chunk) {
      const int64_t frames = FirstFrameOfChunk(chunk + 1) - FirstFrameOfChunk(chunk);
      std::vector<ClipToPaint> clips;
      for (size_t i = 0; i < requests.size(); ++i) {
        RandomStream random(4, DrawPurpose::kScene, i);
        clips.push_back({MakeScene(chunk < 16 ? before : after, random), FirstFrameOfChunk(chunk)});
      }
      visit(chunk, painter.Paint(clips, frames).pixels);
    }
    return absl::OkStatus();
  };
  source.cost = [](const EvaluationCondition&) { return RetentionCost(); };
  return source;
}

TEST(IdentityDriftTest, SeesAnObjectThatChangesItsColourAfterSixteenChunks) {
  const std::string folder = TinyModel();
  const ClassifierWeights classifier =
      LoadClassifier(SafetensorsReader::Open(folder + "/classifier.safetensors").value()).value();
  const AttributeValues before = {kSquare, 0, 1, kStill, 0, 2, kPlain};
  AttributeValues after = before;
  after[kColor] = 3;  // from red to green
  const EvaluationCondition condition = MakeConditions({{ConditionKind::kDrift}, {kDenseTenths}})[0];
  EvaluationSettings settings;
  settings.clips = 3;  // of which the second leaves the colour open
  const auto drift = EvaluateDrift(Turncoat(before, after), classifier, condition, settings, [](const QualityRow&) {});
  ASSERT_TRUE(drift.ok()) << drift.status();
  ASSERT_EQ(drift->size(), 4u);
  for (const JudgedClips& judged : *drift) {
    const bool late = judged.group.condition == "drift-24" || judged.group.condition == "drift-40";
    ASSERT_EQ(judged.clips.size(), 3u);
    for (int64_t clip = 0; clip < 3; ++clip) {
      const auto& values = judged.clips[static_cast<size_t>(clip)].values;
      EXPECT_EQ(judged.clips[static_cast<size_t>(clip)].clip, clip);
      EXPECT_EQ(values[kFlipped], late && clip == 1) << judged.group.condition;
      EXPECT_EQ(values[kHueShift] > 60, late) << judged.group.condition;
      EXPECT_EQ(values[kIdentityDistance] > 0.02, late) << values[kIdentityDistance];
      EXPECT_LT(values[kAreaChange], 0.1);
    }
  }
  EXPECT_THAT(FormatDrift("dense", *drift), HasSubstr("dense, drift-24: n 3, flipped 0.333"));
  EXPECT_THAT(FormatDrift("dense", *drift), HasSubstr("size 0.000 +- 0.000, colour 1.000 +- 0.000"));
}

}  // namespace
}  // namespace videodiffcr::training
