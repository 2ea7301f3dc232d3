#include "training/evaluation/video_proxies.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/training/tiny_model.h"
#include "training/data/clip_painter.h"
#include "training/evaluation/object_view.h"

namespace videodiffcr::training {
namespace {

// Frames of one brightness each: [1, frames, 3, 4, 4].
at::Tensor Flashes(const std::vector<double>& values) {
  return at::tensor(values).to(at::kFloat).view({1, -1, 1, 1, 1}).expand({1, -1, 3, 4, 4});
}

at::Tensor Clip(const AttributeValues& values, uint64_t index = 1) {
  RandomStream random(3, DrawPurpose::kScene, index);
  return ClipPainter(at::kCPU).Paint({{MakeScene(values, random), 0}}, kJudgedFrames).pixels;
}

TEST(TemporalFlickeringTest, IsOneLessTheMeanStep) {
  EXPECT_FLOAT_EQ(TemporalFlickering(Flashes({0.5, 0.7, 0.6})).item<float>(), 1 - 0.15f);
}

TEST(MotionSmoothnessTest, ComparesOddFramesWithWhatLiesBetweenTheirNeighbours) {
  EXPECT_FLOAT_EQ(MotionSmoothness(Flashes({0, 0.1, 0.2, 0.3, 0.4})).item<float>(), 1);
  EXPECT_FLOAT_EQ(MotionSmoothness(Flashes({0, 0.5, 0, 0, 0})).item<float>(), 1 - 0.25f);
  EXPECT_FLOAT_EQ(MotionSmoothness(Flashes({0, 0.5, 0, 0.9})).item<float>(), 0.5f);  // frame 3 has one neighbour only
}

TEST(DynamicDegreeTest, TellsWhatMovesFromWhatStands) {
  for (int size : {0, 1}) {
    for (int speed : {0, 1}) {
      EXPECT_EQ(DynamicDegree(Clip({kTriangle, 4, size, kLeft, speed, 1, kCheckered})).item<float>(), 1)
          << size << speed;
      EXPECT_EQ(DynamicDegree(Clip({kTriangle, 4, size, kStill, speed, 1, kCheckered})).item<float>(), 0)
          << size << speed;
    }
  }
}

TEST(ImagingQualityTest, FallsWithBlurAndNeverPassesOne) {
  const at::Tensor sharp = Clip({kStar, 2, 1, kStill, 0, 1, kDotted});
  const at::Tensor blurred = at::avg_pool2d(sharp.flatten(0, 1), 3, 1, 1).unflatten(0, {1, kJudgedFrames});
  EXPECT_FLOAT_EQ(ImagingQuality(sharp, sharp).item<float>(), 1);
  EXPECT_LT(ImagingQuality(blurred, sharp).item<float>(), 0.6);
  EXPECT_FLOAT_EQ(ImagingQuality(sharp, blurred).item<float>(), 1);
}

TEST(ConsistencyTest, IsTheMeanLikenessToTheLastAndTheFirstFrame) {
  const at::Tensor right = at::tensor({1.0f, 0.0f}), up = at::tensor({0.0f, 1.0f});
  const at::Tensor features = at::stack({right, up, right}).unsqueeze(0);
  // Frame 1: (0 + 0) / 2, frame 2: (0 + 1) / 2.
  EXPECT_FLOAT_EQ(Consistency(features, at::ones({1, 3})).item<float>(), 0.25f);
  EXPECT_FLOAT_EQ(Consistency(at::stack({right, right, right}).unsqueeze(0), at::ones({1, 3})).item<float>(), 1);
  EXPECT_FLOAT_EQ(Consistency(at::stack({right, -right, right}).unsqueeze(0), at::ones({1, 3})).item<float>(), 0.25f);
}

TEST(ConsistencyTest, AnObjectThatIsGoneIsNotConsistent) {
  const at::Tensor same = at::ones({1, 3, 1});
  EXPECT_FLOAT_EQ(Consistency(same, at::zeros({1, 3})).item<float>(), 0);
  EXPECT_FLOAT_EQ(Consistency(same, at::tensor({1.0f, 1.0f, 0.0f}).view({1, 3})).item<float>(), 0.5f);
}

TEST(MeasureProxiesTest, RendersAreGoodAndAnObjectThatChangesIsSeen) {
  const std::string folder = TinyModel();
  const ClassifierWeights classifier =
      LoadClassifier(SafetensorsReader::Open(folder + "/classifier.safetensors").value()).value();
  const AttributeValues still = {kStar, 0, 1, kStill, 0, 2, kPlain}, moving = {kStar, 0, 1, kRight, 0, 2, kPlain};
  AttributeValues other = still;
  other[kShape] = kCircle;
  other[kColor] = 4;
  // A red star that becomes a cyan circle half way.
  const at::Tensor changing = at::cat({Clip(still).narrow(1, 0, 24), Clip(other).narrow(1, 24, 21)}, 1);
  const at::Tensor frames = at::cat({Clip(still), Clip(moving), changing});
  ProxyInput input = {
      frames, ReadFrames(frames), PaintBackgrounds(ClipPainter(at::kCPU), {still, moving, still}), {true, false, true}};
  std::vector<ClipRecord> records(3);
  MeasureProxies(classifier, input, records);
  for (int column = kSubjectConsistency; column <= kImagingQuality; ++column) {
    if (column == kDynamicDegree) continue;
    EXPECT_GT(records[0].values[static_cast<size_t>(column)], 0.95) << ColumnName(column);
  }
  EXPECT_EQ(records[0].values[kDynamicDegree], 0);
  EXPECT_EQ(records[1].values[kDynamicDegree], 1);
  EXPECT_GT(records[1].values[kSubjectConsistency], 0.95);
  EXPECT_TRUE(std::isnan(records[1].values[kTemporalFlickering]));  // not asked of what moves
  EXPECT_LT(records[2].values[kSubjectConsistency], records[0].values[kSubjectConsistency] - 0.05);
  EXPECT_LT(records[2].values[kTemporalFlickering], records[0].values[kTemporalFlickering]);
}

}  // namespace
}  // namespace videodiffcr::training
