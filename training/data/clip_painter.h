// Many scenes drawn at once with tensor arithmetic, on the device that trains on them: what SceneRenderer draws pixel
// by pixel in double, here in fp32 and within 1e-4.
#ifndef VIDEODIFFCR_TRAINING_DATA_CLIP_PAINTER_H_
#define VIDEODIFFCR_TRAINING_DATA_CLIP_PAINTER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "training/scenes/scene.h"

namespace videodiffcr::training {

// Frames [first_frame, first_frame + frames) of a scene, to be drawn.
struct ClipToPaint {
  Scene scene;
  int64_t first_frame = 0;
};

struct PaintedClips {
  at::Tensor pixels;       // [B, frames, 3, height, width], RGB in [0, 1]
  at::Tensor backgrounds;  // the same without objects and shadows
};

class ClipPainter {
 public:
  explicit ClipPainter(at::Device device);

  PaintedClips Paint(const std::vector<ClipToPaint>& clips, int64_t frames) const;

 private:
  at::Tensor PaintBackgrounds(const std::vector<ClipToPaint>& clips, int64_t frames) const;

  const at::Device device_;
  at::Tensor patterns_;    // [textures, height, width]
  at::Tensor brightness_;  // [height, 1]
  at::Tensor x_, y_;       // pixel centres: [1, width] and [height, 1]
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_DATA_CLIP_PAINTER_H_
