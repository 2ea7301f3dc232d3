#include "training/evaluation/two_objects.h"

#include <gtest/gtest.h>

#include <array>

#include "training/data/clip_tensor.h"

namespace videodiffcr::training {
namespace {

// A small red circle and a large cyan square that stand still on black.
SceneSegment TwoObjects() {
  SceneObject circle, square;
  circle.shape = kCircle;
  circle.color = 0;
  circle.trajectory.start = {30, 30};
  square.shape = kSquare;
  square.color = 4;
  square.size = 1;
  square.trajectory.start = {110, 50};
  circle.motion = square.motion = kStill;
  return {0, {circle, square}, {0, kPlain}};
}

at::Tensor NineFrames(const SceneSegment& segment) { return RenderClip(SceneRenderer({{segment}}), 0, 9); }

TEST(TwoObjectsTest, FindsBothWhereBothAre) {
  EXPECT_EQ(FindTwoObjects(NineFrames(TwoObjects()), TwoObjects()), (std::array<bool, 2>{true, true}));
}

TEST(TwoObjectsTest, MissesTheOneThatIsNotThere) {
  SceneSegment alone = TwoObjects();
  alone.objects.pop_back();
  EXPECT_EQ(FindTwoObjects(NineFrames(alone), TwoObjects()), (std::array<bool, 2>{true, false}));
}

TEST(TwoObjectsTest, DoesNotTakeAnotherColourForThePromptedOne) {
  SceneSegment other = TwoObjects();
  other.objects[0].color = 1;  // orange
  EXPECT_EQ(FindTwoObjects(NineFrames(other), TwoObjects()), (std::array<bool, 2>{false, true}));
}

TEST(TwoObjectsTest, DoesNotTakeASpeckForAnObject) {
  SceneSegment speck = TwoObjects();
  speck.objects[1].size_jitter = 0.4;
  EXPECT_EQ(FindTwoObjects(NineFrames(speck), TwoObjects()), (std::array<bool, 2>{true, false}));
}

}  // namespace
}  // namespace videodiffcr::training
