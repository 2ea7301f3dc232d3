#include "training/scenes/scene_renderer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace videodiffcr::training {
namespace {

// A red circle of radius 13 that stands still at `centre` on plain navy.
Scene StillCircle(Point centre) {
  SceneObject circle;
  circle.motion = kStill;
  circle.trajectory.motion = kStill;
  circle.trajectory.start = centre;
  return {{{0, {circle}, {2, kPlain}}}};
}

std::array<float, 3> PixelOf(const std::vector<float>& frame, int x, int y) {
  constexpr int kPlane = kSceneWidth * kSceneHeight;
  const int at = y * kSceneWidth + x;
  return {frame[at], frame[kPlane + at], frame[2 * kPlane + at]};
}

std::vector<float> RenderFirst(const Scene& scene) {
  std::vector<float> frame(kFrameValues);
  SceneRenderer(scene).Render(0, absl::MakeSpan(frame));
  return frame;
}

TEST(SignedDistanceTest, IsZeroOnTheEdgeOfEveryShape) {
  EXPECT_NEAR(SignedDistance(kCircle, 3, -4, 5), 0, 1e-12);
  EXPECT_NEAR(SignedDistance(kSquare, 8.6, 1, 10), 0, 1e-12);
  EXPECT_NEAR(SignedDistance(kTriangle, 0, (0.575 + 0.18) * 10, 10), 0, 1e-12) << "the base, below the centre";
  EXPECT_NEAR(SignedDistance(kTriangle, 0, -(2 * 0.575 - 0.18) * 10, 10), 0, 1e-12) << "the tip";
  EXPECT_NEAR(SignedDistance(kStar, 0, -11.8, 10), 0, 1e-12) << "a tip points up";
  const double inner = M_PI / 5;
  EXPECT_NEAR(SignedDistance(kStar, 5.9 * std::sin(inner), -5.9 * std::cos(inner), 10), 0, 1e-12);
}

TEST(SignedDistanceTest, IsNegativeInsideAndPositiveOutside) {
  for (const Shape shape : {kCircle, kSquare, kTriangle, kStar}) {
    EXPECT_LT(SignedDistance(shape, 0.1, 0.1, 13), -3) << shape;
    EXPECT_GT(SignedDistance(shape, 20, 5, 13), 3) << shape;
  }
}

TEST(SceneRendererTest, DimsTheBackgroundFromTopToBottom) {
  const std::vector<float> frame = RenderFirst(StillCircle({80, 48}));
  EXPECT_NEAR(PixelOf(frame, 0, 0)[2], 98.0 / 255 * (1.08 - 0.16 * 0.5 / 96), 1e-6);
  EXPECT_NEAR(PixelOf(frame, 0, 95)[2], 98.0 / 255 * (1.08 - 0.16 * 95.5 / 96), 1e-6);
}

TEST(SceneRendererTest, DrawsTheObjectOverItsShadow) {
  const std::vector<float> frame = RenderFirst(StillCircle({80, 48}));
  const auto centre = PixelOf(frame, 80, 48);
  EXPECT_GT(centre[0], 0.7f);
  EXPECT_LT(centre[2], 0.3f);
  EXPECT_LT(PixelOf(frame, 91, 57)[2], 0.8f * PixelOf(frame, 150, 57)[2]) << "shadow falls to the lower right";
  EXPECT_FLOAT_EQ(PixelOf(frame, 67, 37)[2], PixelOf(frame, 150, 37)[2]) << "and not to the upper left";
}

TEST(SceneRendererTest, DrawsTheSamePictureShiftedRoundTheTorus) {
  // On the border the circle is in all four corners; moved by half the plane it is whole.
  const std::vector<float> corner = RenderFirst(StillCircle({0, 40})), whole = RenderFirst(StillCircle({80, 40}));
  for (int y = 0; y < kSceneHeight; ++y) {
    for (int x = 0; x < kSceneWidth; ++x) {
      ASSERT_NEAR(PixelOf(corner, x, y)[0], PixelOf(whole, (x + 80) % kSceneWidth, y)[0], 1e-5) << x << "," << y;
    }
  }
}

TEST(SceneRendererTest, StaysBetweenZeroAndOneInEveryScene) {
  std::vector<float> frame(kFrameValues);
  for (uint64_t index = 0; index < 60; ++index) {
    RandomStream random(3, DrawPurpose::kScene, index);
    SceneRenderer(SampleScene({}, random)).Render(static_cast<int64_t>(index), absl::MakeSpan(frame));
    EXPECT_GE(*std::min_element(frame.begin(), frame.end()), 0.0f);
    EXPECT_LE(*std::max_element(frame.begin(), frame.end()), 1.0f);
  }
}

TEST(SceneRendererTest, PutsObjectZeroOnTop) {
  Scene scene = StillCircle({80, 48});
  SceneObject blue = scene.segments[0].objects[0];
  blue.color = 5;
  blue.shape = kSquare;
  scene.segments[0].objects.push_back(blue);
  EXPECT_GT(PixelOf(RenderFirst(scene), 80, 48)[0], 0.7f) << "red over blue";
}

}  // namespace
}  // namespace videodiffcr::training
