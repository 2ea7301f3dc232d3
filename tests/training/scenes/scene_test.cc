#include "training/scenes/scene.h"

#include <gtest/gtest.h>

#include <cmath>

namespace videodiffcr::training {
namespace {

Trajectory Moving(Motion motion, double speed, Point start) {
  Trajectory trajectory;
  trajectory.motion = motion;
  trajectory.speed = speed;
  trajectory.radius = 13;
  trajectory.start = start;
  trajectory.direction = {1, 1};
  return trajectory;
}

TEST(TrajectoryTest, MovesStraightAtItsSpeed) {
  EXPECT_DOUBLE_EQ(Moving(kRight, 3.5, {20, 40}).At(10).x, 55);
  EXPECT_DOUBLE_EQ(Moving(kLeft, 1.5, {20, 40}).At(10).x, 5);
  EXPECT_DOUBLE_EQ(Moving(kUp, 1.5, {20, 40}).At(10).y, 25);
  EXPECT_DOUBLE_EQ(Moving(kDown, 3.5, {20, 40}).At(10).y, 75);
  EXPECT_DOUBLE_EQ(Moving(kRight, 3.5, {20, 40}).At(10).y, 40);
}

TEST(TrajectoryTest, LeavesOneEdgeAndEntersAtTheOther) {
  EXPECT_DOUBLE_EQ(Moving(kRight, 3.5, {150, 40}).At(10).x, 25);
  EXPECT_DOUBLE_EQ(Moving(kLeft, 3.5, {10, 40}).At(10).x, 135);
  EXPECT_DOUBLE_EQ(Moving(kUp, 1.5, {10, 5}).At(10).y, 86);
  const Point far = Moving(kDown, 3.5, {10, 5}).At(1'000'000);
  EXPECT_GE(far.y, 0);
  EXPECT_LT(far.y, kSceneHeight);
}

TEST(TrajectoryTest, OrbitsClockwiseOnScreenAtRadius22) {
  Trajectory orbit = Moving(kOrbit, 1.5, {100, 48});
  orbit.phase = 0;  // the centre is at x = 78
  const Point quarter = orbit.At(23);
  EXPECT_NEAR(std::hypot(quarter.x - 78, quarter.y - 48), 22, 1e-9);
  EXPECT_GT(quarter.y, 48) << "y points down: from the right of the centre, clockwise goes down";
}

TEST(TrajectoryTest, BouncesInsideTheBoxThatKeepsTheShapeVisible) {
  const Trajectory bounce = Moving(kBounce, 3.5, {140, 80});
  EXPECT_NEAR(bounce.At(1).x, 142.8, 1e-9);
  EXPECT_NEAR(bounce.At(1).y, 82.1, 1e-9);
  EXPECT_NEAR(bounce.At(3).x, 145.6, 1e-9) << "148.4 reflected at 147";
  for (int frame = 0; frame < 500; ++frame) {
    const Point p = bounce.At(frame);
    EXPECT_GE(p.x, 13);
    EXPECT_LE(p.x, kSceneWidth - 13);
    EXPECT_GE(p.y, 13);
    EXPECT_LE(p.y, kSceneHeight - 13);
  }
}

TEST(SceneTest, NeverShowsAHeldOutPairNorTwoEqualShapesInTraining) {
  const SceneOptions options;
  int switched = 0, doubled = 0;
  for (uint64_t index = 0; index < 4000; ++index) {
    RandomStream random(7, DrawPurpose::kScene, index);
    const Scene scene = SampleScene(options, random);
    switched += scene.segments.size() == 2;
    doubled += scene.segments[0].objects.size() == 2;
    for (const SceneSegment& segment : scene.segments) {
      for (const SceneObject& object : segment.objects) EXPECT_FALSE(IsHeldOutPair(object.shape, object.color));
      if (segment.objects.size() == 2) {
        EXPECT_NE(segment.objects[0].shape, segment.objects[1].shape);
      }
    }
  }
  EXPECT_NEAR(switched / 4000.0, 0.3, 0.03);
  EXPECT_NEAR(doubled / 4000.0, 0.3, 0.03);
}

TEST(SceneTest, KeepsThePositionAcrossAPromptSwitchAndStartsItAtAChunk) {
  SceneOptions options;
  options.prompt_switch = 1;
  for (uint64_t index = 0; index < 200; ++index) {
    RandomStream random(8, DrawPurpose::kScene, index);
    const Scene scene = SampleScene(options, random);
    ASSERT_EQ(scene.segments.size(), 2u);
    const int64_t frame = scene.segments[1].first_frame;
    EXPECT_EQ((frame + 3) % 12, 0);
    EXPECT_EQ(&scene.SegmentAt(frame - 1), &scene.segments[0]);
    EXPECT_EQ(&scene.SegmentAt(frame), &scene.segments[1]);
    const SceneObject &before = scene.segments[0].objects[0], &after = scene.segments[1].objects[0];
    if (after.motion == kBounce && before.motion != kBounce) continue;  // may be moved into the box
    if (after.motion == kBounce && after.size != before.size) continue;
    EXPECT_NEAR(after.trajectory.At(frame).x, before.trajectory.At(frame).x, 1e-9);
    EXPECT_NEAR(after.trajectory.At(frame).y, before.trajectory.At(frame).y, 1e-9);
  }
}

TEST(SceneTest, DrawsTheSameSceneForTheSameSeedAndIndexOnly) {
  const auto attributes = [](uint64_t seed, uint64_t index) {
    RandomStream random(seed, DrawPurpose::kScene, index);
    return SampleScene({}, random).segments[0].objects[0].trajectory.start.x;
  };
  EXPECT_EQ(attributes(1, 5), attributes(1, 5));
  EXPECT_NE(attributes(1, 5), attributes(1, 6));
  EXPECT_NE(attributes(1, 5), attributes(2, 5));
}

}  // namespace
}  // namespace videodiffcr::training
