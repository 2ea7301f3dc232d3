// Pixels of a scene (tiny_recipe.md section 1): pixel centres at +0.5, soft edges, one light, a shadow.
#ifndef VIDEODIFFCR_TRAINING_SCENES_SCENE_RENDERER_H_
#define VIDEODIFFCR_TRAINING_SCENES_SCENE_RENDERER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

inline constexpr int64_t kFrameValues = int64_t{3} * kSceneHeight * kSceneWidth;

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
