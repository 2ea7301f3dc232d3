// Pixels of a scene (tiny_recipe.md section 1): pixel centres at +0.5, soft edges, one light, a shadow.
#ifndef VIDEODIFFCR_TRAINING_SCENES_SCENE_RENDERER_H_
#define VIDEODIFFCR_TRAINING_SCENES_SCENE_RENDERER_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

inline constexpr int64_t kFrameValues = int64_t{3} * kSceneHeight * kSceneWidth;

using Rgb = std::array<double, 3>;  // 0 to 1

// What a background's pattern mixes: where it is 0 the base, where it is 1 the base plus `step` in every colour.
struct BackgroundPaint {
  Rgb base;
  double step;
};
BackgroundPaint PaintOfBackground(int background_color);
Rgb PaintOfShape(int color);
// Light on the background at height y, a pixel centre.
double BackgroundBrightness(double y);

class SceneRenderer {
 public:
  explicit SceneRenderer(Scene scene);

  const Scene& scene() const { return scene_; }

  // out [3, height, width], RGB in [0, 1].
  void Render(int64_t frame, absl::Span<float> out) const;

  // The bare background that `frame` stands before, [3, height, width].
  const std::vector<float>& BackgroundAt(int64_t frame) const;

 private:
  Scene scene_;
  std::vector<std::vector<float>> backgrounds_;  // one per segment
};

// Signed distance from the edge of a shape of radius R to the point (dx, dy) from its centre, y down; negative inside.
double SignedDistance(Shape shape, double dx, double dy, double radius);

// The pattern of a texture at a pixel centre: 0 is the base colour, 1 the second one.
double TexturePattern(Texture texture, double x, double y);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_SCENES_SCENE_RENDERER_H_
