#include "training/evaluation/two_objects.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_format.h"
#include "training/classifier/attribute_classifier.h"
#include "training/data/clip_painter.h"
#include "training/scenes/caption.h"
#include "training/scenes/scene_renderer.h"

namespace videodiffcr::training {
namespace {

constexpr double kDarkest = 0.3;  // of an object's brightest component; the background has 0.11
constexpr double kFoundShare = 0.3;
constexpr int64_t kFoundFrames = 5;
constexpr int kBlack = 0;

// Pixels of a shape of radius R: tiny_recipe.md section 1.
double Area(Shape shape, double radius) {
  switch (shape) {
    case kCircle:
      return M_PI * radius * radius;
    case kSquare:
      return 4 * 0.86 * 0.86 * radius * radius;
    case kTriangle:
      return 3 * std::sqrt(3.0) * 0.575 * 0.575 * radius * radius;
    case kStar:
      return 5 * 0.5 * std::sin(M_PI / 5) * 1.18 * 1.18 * radius * radius;
  }
  return 0;
}

// The object colour nearest to each pixel, -1 where it is dark: [frames, 3, height, width] -> [frames, height, width].
at::Tensor NearestColors(const at::Tensor& frames) {
  std::vector<float> palette;
  for (int color = 0; color < ValueCount(kColor); ++color) {
    const Rgb rgb = PaintOfShape(color);
    const double brightest = *std::max_element(rgb.begin(), rgb.end());
    for (const double value : rgb) palette.push_back(static_cast<float>(value / brightest));
  }
  const at::Tensor colors = at::tensor(palette).view({1, -1, 3, 1, 1}).to(frames.device());
  const at::Tensor brightness = frames.amax(1, /*keepdim=*/true);  // shade scales all components alike
  const at::Tensor tint = (frames / brightness.clamp_min(1e-3)).unsqueeze(1);
  const at::Tensor nearest = (tint - colors).square().sum(2).argmin(1);
  return nearest.masked_fill(brightness.squeeze(1) < kDarkest, -1);
}

Scene TwoObjectScene(uint64_t seed, uint64_t index) {
  RandomStream random(seed, DrawPurpose::kEvaluation, index);
  SceneOptions options;
  options.two_objects = 1;
  options.prompt_switch = 0;
  Scene scene = SampleScene(options, random);
  while (scene.segments[0].objects[0].color == scene.segments[0].objects[1].color) scene = SampleScene(options, random);
  scene.segments[0].background = {kBlack, kPlain};
  return scene;
}

ClipRequest RequestFor(const Scene& scene, uint64_t seed, uint64_t index) {
  RandomStream random(seed, DrawPurpose::kCaption, index);
  ClipRequest request;
  request.seed = random.Bits64();
  request.prompts[0] = MakeCaption(scene.segments[0], kCompleteCaption, random);
  return request;
}

void Count(const std::array<bool, 2>& found, Share& both, Share& single) {
  ++both.asked;
  both.right += found[0] && found[1];
  single.asked += 2;
  single.right += int{found[0]} + int{found[1]};
}

}  // namespace

std::array<bool, 2> FindTwoObjects(const at::Tensor& frames, const SceneSegment& scene) {
  const at::Tensor colors = NearestColors(frames);
  std::array<bool, 2> found = {};
  for (size_t i = 0; i < found.size(); ++i) {
    const SceneObject& object = scene.objects[i];
    const double needed = kFoundShare * Area(static_cast<Shape>(object.shape), object.nominal_radius());
    const at::Tensor pixels = colors.eq(object.color).sum({1, 2});  // per frame
    found[i] = pixels.ge(needed).sum().item<int64_t>() >= kFoundFrames;
  }
  return found;
}

absl::StatusOr<TwoObjectQuality> JudgeTwoObjects(const ClipSource& source, int64_t clips, uint64_t seed) {
  TwoObjectQuality quality;
  Share single_of_renders;
  const ClipPainter painter(at::kCPU);
  for (int64_t begin = 0; begin < clips; begin += source.side_by_side) {
    std::vector<ClipToPaint> renders;
    std::vector<ClipRequest> requests;
    for (int64_t index = begin; index < std::min(clips, begin + source.side_by_side); ++index) {
      renders.push_back({TwoObjectScene(seed, static_cast<uint64_t>(index)), 0});
      requests.push_back(RequestFor(renders.back().scene, seed, static_cast<uint64_t>(index)));
    }
    const absl::StatusOr<at::Tensor> frames = MakeClips(source, {"two objects"}, requests);
    if (!frames.ok()) return frames.status();
    const at::Tensor made = ReadFrames(*frames).cpu();
    const at::Tensor drawn = ReadFrames(painter.Paint(renders, kJudgedFrames).pixels);
    for (size_t i = 0; i < renders.size(); ++i) {
      const SceneSegment& segment = renders[i].scene.segments[0];
      Count(FindTwoObjects(made[static_cast<int64_t>(i)], segment), quality.both, quality.single);
      Count(FindTwoObjects(drawn[static_cast<int64_t>(i)], segment), quality.both_of_renders, single_of_renders);
    }
  }
  return quality;
}

std::string FormatTwoObjects(const TwoObjectQuality& quality) {
  return absl::StrFormat("two objects, %d clips: both colours found %.3f +- %.3f (renders %.3f), objects found %.3f\n",
                         quality.both.asked, quality.both.value(), quality.both.standard_error(),
                         quality.both_of_renders.value(), quality.single.value());
}

}  // namespace videodiffcr::training
