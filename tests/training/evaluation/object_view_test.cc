#include "training/evaluation/object_view.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/training/tiny_model.h"
#include "training/scenes/scene_renderer.h"

namespace videodiffcr::training {
namespace {

ClassifierWeights TinyClassifier() {
  const std::string folder = TinyModel();
  return LoadClassifier(SafetensorsReader::Open(folder + "/classifier.safetensors").value()).value();
}

Scene SceneOf(const AttributeValues& values, uint64_t index) {
  RandomStream random(3, DrawPurpose::kScene, index);
  return MakeScene(values, random);
}

// Pixels inside an object's edge, exactly.
at::Tensor TrueMask(const Scene& scene) {
  const SceneObject& object = scene.segments[0].objects[0];
  at::Tensor mask = at::zeros({kSceneHeight, kSceneWidth});
  const Point centre = object.trajectory.At(0);
  for (int y = 0; y < kSceneHeight; ++y) {
    for (int x = 0; x < kSceneWidth; ++x) {
      const double dx = std::remainder(x + 0.5 - centre.x, kSceneWidth);
      const double dy = std::remainder(y + 0.5 - centre.y, kSceneHeight);
      if (SignedDistance(static_cast<Shape>(object.shape), dx, dy, object.drawn_radius()) < 0) mask[y][x] = 1;
    }
  }
  return mask;
}

TEST(ObjectViewTest, FindsTheObjectWithoutItsShadowOnEveryBackground) {
  const ClipPainter painter(at::kCPU);
  uint64_t index = 0;
  for (int color = 0; color < ValueCount(kColor); ++color) {
    for (int background = 0; background < ValueCount(kBackgroundColor); ++background) {
      const AttributeValues values = {color % 4, color,      background % 2,          kStill,
                                      0,         background, (color + background) % 4};
      const Scene scene = SceneOf(values, index++);
      const at::Tensor frames = painter.Paint({{scene, 0}}, 1).pixels;
      const at::Tensor mask = FindObject(frames, PaintBackgrounds(painter, {values}))[0][0][0];
      const at::Tensor truth = TrueMask(scene);
      const double both = (mask * truth).sum().item<double>(), any = (mask + truth).gt(0).sum().item<double>();
      EXPECT_GT(both / any, 0.85) << ValueName(kColor, color) << " on " << ValueName(kBackgroundColor, background);
    }
  }
}

TEST(ObjectViewTest, FindsNothingOnABareBackground) {
  const ClipPainter painter(at::kCPU);
  const at::Tensor bare = PaintBackgrounds(painter, {{0, 0, 0, 0, 0, 3, kDotted}});
  EXPECT_EQ(FindObject(bare, bare).sum().item<double>(), 0);
}

TEST(ObjectViewTest, CropsAroundAnObjectThatLiesAcrossAnEdge) {
  const ClipPainter painter(at::kCPU);
  const AttributeValues values = {kStar, 0, 1, kStill, 0, 0, kPlain};
  const at::Tensor frame = painter.Paint({{SceneOf(values, 1), 0}}, 1).pixels[0];
  const at::Tensor mask = FindObject(frame.unsqueeze(0), PaintBackgrounds(painter, {values}))[0];
  const at::Tensor crop = CropToObject(frame, mask);
  ASSERT_EQ(crop.sizes(), (at::IntArrayRef{1, 3, 64, 64}));
  const at::Tensor moved = CropToObject(at::roll(frame, {50, 90}, {2, 3}), at::roll(mask, {50, 90}, {2, 3}));
  EXPECT_LT((crop - moved).abs().max().item<double>(), 1e-6);
  EXPECT_GT((crop - 112.0 / 255).abs().amax(1).gt(0.1).sum().item<double>(), 500);
}

TEST(ObjectViewTest, KnowsHueAndArea) {
  const ClipPainter painter(at::kCPU);
  const ClassifierWeights classifier = TinyClassifier();
  const auto look = [&](int color, int size) {
    const AttributeValues values = {kSquare, color, size, kStill, 0, 1, kPlain};
    return LookAtObject(classifier, painter.Paint({{SceneOf(values, 2), 0}}, 9).pixels,
                        PaintBackgrounds(painter, {values}));
  };
  EXPECT_NEAR(look(0, 0).hue.item<double>(), 2, 8);        // red 224,44,40
  EXPECT_NEAR(look(3, 0).hue.item<double>(), 128, 10);     // green 48,180,66
  EXPECT_TRUE(std::isnan(look(7, 0).hue.item<double>()));  // white
  const double ratio = look(0, 1).area.item<double>() / look(0, 0).area.item<double>();
  EXPECT_NEAR(ratio, (21.0 * 21) / (13 * 13), 0.4);
}

TEST(ObjectViewTest, FeaturesTellShapesAndColoursApart) {
  const ClipPainter painter(at::kCPU);
  const ClassifierWeights classifier = TinyClassifier();
  const auto features = [&](int shape, int color, uint64_t index) {
    const AttributeValues values = {shape, color, 1, kStill, 0, 2, kPlain};
    return LookAtObject(classifier, painter.Paint({{SceneOf(values, index), 0}}, 9).pixels,
                        PaintBackgrounds(painter, {values}))
        .features;
  };
  const at::Tensor red_star = features(kStar, 0, 5);
  const double same = (red_star * features(kStar, 0, 6)).sum().item<double>();
  EXPECT_GT(same, (red_star * features(kStar, 5, 6)).sum().item<double>() + 0.02);
  EXPECT_GT(same, (red_star * features(kCircle, 0, 6)).sum().item<double>() + 0.02);
}

TEST(ObjectViewTest, FrameFeaturesAreThoseOfAClipThatStandsStill) {
  const ClipPainter painter(at::kCPU);
  const ClassifierWeights classifier = TinyClassifier();
  const at::Tensor frame = painter.Paint({{SceneOf({kStar, 1, 1, kStill, 0, 2, kPlain}, 4), 0}}, 1).pixels[0];
  const at::Tensor clip = ClipFeatures(classifier, frame.unsqueeze(1).expand({1, 9, 3, kSceneHeight, kSceneWidth}));
  EXPECT_LT((FrameFeatures(classifier, frame) - clip / clip.norm()).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace videodiffcr::training
