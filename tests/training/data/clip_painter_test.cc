#include "training/data/clip_painter.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "training/data/clip_tensor.h"

namespace videodiffcr::training {
namespace {

// Edges are a pixel wide: an error of 1e-4 in a colour is one of 1e-4 pixels in a place.
constexpr double kTolerance = 1e-4;

double LargestDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(ClipPainterTest, DrawsWhatTheRendererDraws) {
  at::set_num_threads(1);
  constexpr int64_t kFrames = 3;
  const ClipPainter painter(at::kCPU);
  std::vector<ClipToPaint> clips;
  SceneOptions options;
  options.two_objects = options.prompt_switch = 0.5;
  options.first_switch_chunk = options.last_switch_chunk = 2;  // frame 21
  for (uint64_t index = 0; index < 96; ++index) {
    RandomStream random(11, DrawPurpose::kScene, index);
    clips.push_back({SampleScene(options, random), static_cast<int64_t>(index % 31)});
  }
  const PaintedClips painted = painter.Paint(clips, kFrames);
  for (size_t i = 0; i < clips.size(); ++i) {
    const SceneRenderer renderer(clips[i].scene);
    const at::Tensor pixels = RenderClip(renderer, clips[i].first_frame, kFrames);
    const at::Tensor backgrounds = RenderBackgrounds(renderer, clips[i].first_frame, kFrames);
    const int64_t clip = static_cast<int64_t>(i);
    EXPECT_LT(LargestDifference(painted.pixels[clip], pixels), kTolerance) << i;
    EXPECT_LT(LargestDifference(painted.backgrounds[clip], backgrounds), 1e-6) << i;
  }
}

TEST(ClipPainterTest, GivesAClipTheSamePixelsWhateverIsBesideIt) {
  at::set_num_threads(1);
  const ClipPainter painter(at::kCPU);
  std::vector<ClipToPaint> clips;
  for (uint64_t index = 0; index < 5; ++index) {
    RandomStream random(12, DrawPurpose::kScene, index);
    clips.push_back({SampleScene({}, random), 40});
  }
  const at::Tensor together = painter.Paint(clips, 2).pixels;
  EXPECT_LT(LargestDifference(painter.Paint({clips[4]}, 2).pixels[0], together[4]), 1e-6);
}

}  // namespace
}  // namespace videodiffcr::training
