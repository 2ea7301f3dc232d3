#include "training/data/clip_painter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/atan2.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>

#include "training/scenes/scene_renderer.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kShapes = 4;

// Objects of one layer (topmost or the one below), a row per frame that has one.
struct ObjectRows {
  std::vector<int64_t> frames;                         // numbers of the frames, over all clips
  std::array<std::vector<int64_t>, kShapes> of_shape;  // rows with that shape
  std::vector<float> x, y, radius, red, green, blue;

  void Add(const SceneObject& object, int64_t time, int64_t frame) {
    const Point centre = object.trajectory.At(time);
    const Rgb color = PaintOfShape(object.color);
    of_shape[object.shape].push_back(static_cast<int64_t>(frames.size()));
    frames.push_back(frame);
    x.push_back(static_cast<float>(centre.x));
    y.push_back(static_cast<float>(centre.y));
    radius.push_back(static_cast<float>(object.drawn_radius()));
    red.push_back(static_cast<float>(color[0]));
    green.push_back(static_cast<float>(color[1]));
    blue.push_back(static_cast<float>(color[2]));
  }
};

ObjectRows RowsOfLayer(const std::vector<ClipToPaint>& clips, int64_t frames, size_t layer) {
  ObjectRows rows;
  for (size_t clip = 0; clip < clips.size(); ++clip) {
    for (int64_t i = 0; i < frames; ++i) {
      const int64_t time = clips[clip].first_frame + i;
      const std::vector<SceneObject>& objects = clips[clip].scene.SegmentAt(time).objects;
      if (layer < objects.size()) rows.Add(objects[layer], time, static_cast<int64_t>(clip) * frames + i);
    }
  }
  return rows;
}

// Where the pixels are from the centres of some rows' objects: on a torus, so never further than half the plane.
struct Offsets {
  at::Tensor dx;      // [rows, 1, width]
  at::Tensor dy;      // [rows, height, 1], down
  at::Tensor radius;  // [rows, 1, 1]

  Offsets Of(const at::Tensor& rows) const {
    return {dx.index_select(0, rows), dy.index_select(0, rows), radius.index_select(0, rows)};
  }
  at::Tensor Distance(double x, double y) const { return ((dx - x).square() + (dy - y).square()).sqrt_(); }
};

at::Tensor NearestImage(const at::Tensor& offset, double period) { return offset - (offset / period).round() * period; }

// SignedDistance() of scene_renderer.h: [rows, height, width].
at::Tensor DistanceToEdge(int64_t shape, const Offsets& at) {
  switch (shape) {
    case kCircle:
      return at.Distance(0, 0) - at.radius;
    case kSquare:
      return at::maximum(at.dx.abs(), at.dy.abs()) - 0.86 * at.radius;
    case kTriangle: {
      const at::Tensor height = 0.18 * at.radius - at.dy;
      return at::maximum(0.866 * at.dx.abs() + 0.5 * height, -height) - 0.575 * at.radius;
    }
    default: {
      constexpr double kSector = M_PI / 5;
      const at::Tensor angle = at::atan2(at.dx, -at.dy).add_(kSector).remainder_(2 * kSector).sub_(kSector).abs_();
      const double edge_x = 0.5 * std::cos(kSector) - 1, edge_y = 0.5 * std::sin(kSector);
      const double length = std::hypot(edge_x, edge_y);
      // (rho cos - outer) e_y - rho sin e_x over |e|.
      const at::Tensor along = angle.cos().mul_(edge_y / length).sub_(angle.sin().mul_(edge_x / length));
      return along.mul_(at.Distance(0, 0)).sub_(at.radius * (1.18 * edge_y / length));
    }
  }
}

// Draws the rows' objects over `pixels` [rows, 3, height, width], in place. Formulas: tiny_recipe.md section 1.
void DrawObjects(const Offsets& at, const at::Tensor& distance, const at::Tensor& color, const at::Tensor& pixels) {
  const at::Tensor shadow = (1.02 * at.radius - at.Distance(3, 4)).div_(6).add_(0.5).clamp_(0, 1).mul_(-0.38).add_(1);
  const at::Tensor coverage = (0.5 - distance).clamp_(0, 1);
  const at::Tensor inside = 1 - (1 + distance / 2.5).clamp_(0, 1);
  const at::Tensor light = ((-at.dx - at.dy) / (1.4 * at.radius)).clamp_(-1, 1);
  const at::Tensor shade = light.mul_(0.18).add_(0.86).mul_(0.4 * inside + 0.6);
  const auto falloff = [&](const at::Tensor& offset, double share) {  // of the highlight, along one axis
    return ((offset + share * at.radius) / (0.2 * at.radius)).square().mul_(-0.5).exp_();
  };
  const at::Tensor highlight = (falloff(at.dx, 0.32) * falloff(at.dy, 0.36)).mul_(inside).mul_(0.4);
  const at::Tensor own = (color * shade.unsqueeze(1)).add_(highlight.unsqueeze(1)).clamp_(0, 1);
  pixels.mul_((shadow * (1 - coverage)).unsqueeze(1)).addcmul_(own, coverage.unsqueeze(1));
}

}  // namespace

ClipPainter::ClipPainter(at::Device device) : device_(device) {
  std::vector<float> patterns, brightness;
  for (int texture = 0; texture < ValueCount(kTexture); ++texture) {
    for (int64_t i = 0; i < int64_t{kSceneHeight} * kSceneWidth; ++i) {
      patterns.push_back(
          static_cast<float>(TexturePattern(static_cast<Texture>(texture), static_cast<double>(i % kSceneWidth) + 0.5,
                                            static_cast<double>(i / kSceneWidth) + 0.5)));
    }
  }
  for (int row = 0; row < kSceneHeight; ++row)
    brightness.push_back(static_cast<float>(BackgroundBrightness(row + 0.5)));
  patterns_ = at::tensor(patterns).view({-1, kSceneHeight, kSceneWidth}).to(device);
  brightness_ = at::tensor(brightness).view({kSceneHeight, 1}).to(device);
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
  x_ = (at::arange(kSceneWidth, options) + 0.5).view({1, kSceneWidth});
  y_ = (at::arange(kSceneHeight, options) + 0.5).view({kSceneHeight, 1});
}

at::Tensor ClipPainter::PaintBackgrounds(const std::vector<ClipToPaint>& clips, int64_t frames) const {
  std::vector<int64_t> textures, segment_of_frame;
  std::vector<float> bases, steps;
  for (const ClipToPaint& clip : clips) {
    const int64_t first_row = static_cast<int64_t>(textures.size());
    for (const SceneSegment& segment : clip.scene.segments) {
      const BackgroundPaint paint = PaintOfBackground(segment.background.color);
      textures.push_back(segment.background.texture);
      for (const double value : paint.base) bases.push_back(static_cast<float>(value));
      steps.push_back(static_cast<float>(paint.step));
    }
    for (int64_t i = 0; i < frames; ++i) {
      segment_of_frame.push_back(first_row +
                                 (&clip.scene.SegmentAt(clip.first_frame + i) - clip.scene.segments.data()));
    }
  }
  const at::Tensor pattern = patterns_.index_select(0, at::tensor(textures).to(device_)).unsqueeze(1);
  const at::Tensor base = at::tensor(bases).view({-1, 3, 1, 1}).to(device_);
  const at::Tensor step = at::tensor(steps).view({-1, 1, 1, 1}).to(device_);
  const at::Tensor of_segments = ((base + step * pattern) * brightness_).clamp_(0, 1);
  return of_segments.index_select(0, at::tensor(segment_of_frame).to(device_));
}

PaintedClips ClipPainter::Paint(const std::vector<ClipToPaint>& clips, int64_t frames) const {
  const c10::NoGradGuard no_gradients;
  const at::Tensor backgrounds = PaintBackgrounds(clips, frames);  // [B frames, 3, height, width]
  const at::Tensor pixels = backgrounds.clone();
  for (const size_t layer : {size_t{1}, size_t{0}}) {  // object 0 last: it is on top
    const ObjectRows rows = RowsOfLayer(clips, frames, layer);
    if (rows.frames.empty()) continue;
    const auto column = [&](const std::vector<float>& values) {
      return at::tensor(values).view({-1, 1, 1}).to(device_);
    };
    const Offsets offsets = {NearestImage(x_ - column(rows.x), kSceneWidth),
                             NearestImage(y_ - column(rows.y), kSceneHeight), column(rows.radius)};
    const at::Tensor distance =
        at::empty({static_cast<int64_t>(rows.frames.size()), kSceneHeight, kSceneWidth}, pixels.options());
    for (int64_t shape = 0; shape < kShapes; ++shape) {
      if (rows.of_shape[shape].empty()) continue;
      const at::Tensor members = at::tensor(rows.of_shape[shape]).to(device_);
      distance.index_copy_(0, members, DistanceToEdge(shape, offsets.Of(members)));
    }
    const at::Tensor color =
        at::stack({column(rows.red), column(rows.green), column(rows.blue)}, 1);  // [rows, 3, 1, 1]
    const at::Tensor places = at::tensor(rows.frames).to(device_);
    const at::Tensor below = pixels.index_select(0, places);
    DrawObjects(offsets, distance, color, below);
    pixels.index_copy_(0, places, below);
  }
  const int64_t count = static_cast<int64_t>(clips.size());
  return {pixels.unflatten(0, {count, frames}), backgrounds.unflatten(0, {count, frames})};
}

}  // namespace videodiffcr::training
