#include "training/scenes/scene_renderer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace videodiffcr::training {
namespace {

// 0 to 255.
constexpr std::array<Rgb, 8> kShapeColors = {{{224, 44, 40},
                                              {244, 134, 24},
                                              {246, 216, 48},
                                              {48, 180, 66},
                                              {52, 206, 216},
                                              {48, 92, 236},
                                              {156, 62, 204},
                                              {240, 240, 240}}};
constexpr std::array<Rgb, 6> kBackgroundColors = {
    {{22, 22, 28}, {112, 114, 120}, {26, 36, 98}, {98, 62, 36}, {18, 90, 88}, {226, 214, 184}}};
constexpr int64_t kPlane = int64_t{kSceneHeight} * kSceneWidth;

double Unit(double value) { return std::clamp(value, 0.0, 1.0); }
double SignedUnit(double value) { return std::clamp(value, -1.0, 1.0); }

std::vector<float> RenderBackground(const Background& background) {
  const BackgroundPaint paint = PaintOfBackground(background.color);
  std::vector<float> out(kFrameValues);
  for (int row = 0; row < kSceneHeight; ++row) {
    const double y = row + 0.5, brightness = BackgroundBrightness(y);
    for (int column = 0; column < kSceneWidth; ++column) {
      const double pattern = TexturePattern(static_cast<Texture>(background.texture), column + 0.5, y);
      for (int c = 0; c < 3; ++c) {
        out[c * kPlane + row * kSceneWidth + column] =
            static_cast<float>(Unit((paint.base[c] + paint.step * pattern) * brightness));
      }
    }
  }
  return out;
}

// What an object does to a pixel at (dx, dy) from its centre.
struct ObjectPixel {
  double shadow_factor = 1;  // on what lies below
  double coverage = 0;       // of the object over it
  double shade = 1;          // on the object's colour
  double highlight = 0;      // added to it
};

ObjectPixel ShadeObject(const SceneObject& object, double dx, double dy) {
  const double radius = object.drawn_radius();
  const double distance = SignedDistance(static_cast<Shape>(object.shape), dx, dy, radius);
  ObjectPixel pixel;
  pixel.shadow_factor = 1 - 0.38 * Unit((1.02 * radius - std::hypot(dx - 3, dy - 4)) / 6 + 0.5);
  pixel.coverage = Unit(0.5 - distance);
  const double light = SignedUnit((-dx - dy) / (1.4 * radius));
  const double edge = Unit(1 + distance / 2.5);
  const double spot_x = dx + 0.32 * radius, spot_y = dy + 0.36 * radius, spot = 0.2 * radius;
  pixel.shade = (0.86 + 0.18 * light) * (1 - 0.4 * edge);
  pixel.highlight = 0.4 * std::exp(-(spot_x * spot_x + spot_y * spot_y) / (2 * spot * spot)) * (1 - edge);
  return pixel;
}

void DrawObject(const SceneObject& object, int64_t frame, absl::Span<float> out) {
  const Point centre = object.trajectory.At(frame);
  const Rgb color = PaintOfShape(object.color);
  // The star's tip reaches 1.18 R, the shadow 1.02 R + 3 from a centre at (3, 4).
  const int reach = static_cast<int>(std::ceil(1.2 * object.drawn_radius())) + 9;
  const int first_x = static_cast<int>(std::floor(centre.x)) - reach;
  const int first_y = static_cast<int>(std::floor(centre.y)) - reach;
  const int columns = std::min(2 * reach + 1, kSceneWidth), rows = std::min(2 * reach + 1, kSceneHeight);
  for (int j = 0; j < rows; ++j) {
    for (int i = 0; i < columns; ++i) {
      const ObjectPixel pixel = ShadeObject(object, first_x + i + 0.5 - centre.x, first_y + j + 0.5 - centre.y);
      const int x = (first_x + i + kSceneWidth) % kSceneWidth, y = (first_y + j + kSceneHeight) % kSceneHeight;
      for (int c = 0; c < 3; ++c) {
        float& value = out[c * kPlane + y * kSceneWidth + x];
        const double own = Unit(color[c] * pixel.shade + pixel.highlight);
        value = static_cast<float>(value * pixel.shadow_factor * (1 - pixel.coverage) + own * pixel.coverage);
      }
    }
  }
}

Rgb ToUnit(const Rgb& bytes) { return {bytes[0] / 255, bytes[1] / 255, bytes[2] / 255}; }

}  // namespace

BackgroundPaint PaintOfBackground(int background_color) {
  const Rgb base = ToUnit(kBackgroundColors[background_color]);
  return {base, (base[0] + base[1] + base[2]) / 3 < 0.5 ? 0.16 : -0.16};
}

Rgb PaintOfShape(int color) { return ToUnit(kShapeColors[color]); }

double BackgroundBrightness(double y) { return 1.08 - 0.16 * y / kSceneHeight; }

double SignedDistance(Shape shape, double dx, double dy, double radius) {
  const double up = -dy, rho = std::hypot(dx, dy);
  switch (shape) {
    case kCircle:
      return rho - radius;
    case kSquare:
      return std::max(std::abs(dx), std::abs(dy)) - 0.86 * radius;
    case kTriangle: {
      const double height = up + 0.18 * radius;
      return std::max(0.866 * std::abs(dx) + 0.5 * height, -height) - 0.575 * radius;
    }
    case kStar: {
      constexpr double kSector = M_PI / 5;
      // Folded into one half of one of the five points.
      double angle = std::fmod(std::atan2(dx, up) + kSector, 2 * kSector);
      if (angle < 0) angle += 2 * kSector;
      angle = std::abs(angle - kSector);
      const double outer = 1.18 * radius;
      const double edge_x = 0.5 * std::cos(kSector) - 1, edge_y = 0.5 * std::sin(kSector);
      const double x = rho * std::cos(angle), y = rho * std::sin(angle);
      return ((x - outer) * edge_y - y * edge_x) / std::hypot(edge_x, edge_y);
    }
  }
  return 0;
}

double TexturePattern(Texture texture, double x, double y) {
  switch (texture) {
    case kPlain:
      return 0;
    case kCheckered:
      return 0.5 + 0.5 * SignedUnit(8 * std::sin(M_PI * x / 16)) * SignedUnit(8 * std::sin(M_PI * y / 16));
    case kStriped:
      return 0.5 + 0.5 * SignedUnit(6 * std::sin(2 * M_PI * (x + y) / 24));
    case kDotted:
      return Unit(5 - std::hypot(std::fmod(x, 16.0) - 8, std::fmod(y, 16.0) - 8));
  }
  return 0;
}

SceneRenderer::SceneRenderer(Scene scene) : scene_(std::move(scene)) {
  for (const SceneSegment& segment : scene_.segments) backgrounds_.push_back(RenderBackground(segment.background));
}

const std::vector<float>& SceneRenderer::BackgroundAt(int64_t frame) const {
  return backgrounds_[&scene_.SegmentAt(frame) - scene_.segments.data()];
}

void SceneRenderer::Render(int64_t frame, absl::Span<float> out) const {
  const std::vector<float>& background = BackgroundAt(frame);
  std::copy(background.begin(), background.end(), out.begin());
  const std::vector<SceneObject>& objects = scene_.SegmentAt(frame).objects;
  for (size_t i = objects.size(); i > 0; --i) DrawObject(objects[i - 1], frame, out);
}

}  // namespace videodiffcr::training
