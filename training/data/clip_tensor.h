// Rendered scenes as tensors.
#ifndef VIDEODIFFCR_TRAINING_DATA_CLIP_TENSOR_H_
#define VIDEODIFFCR_TRAINING_DATA_CLIP_TENSOR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "training/scenes/scene_renderer.h"

namespace videodiffcr::training {

// Frames [first_frame, first_frame + frames) of a scene: [frames, 3, height, width], RGB in [0, 1].
at::Tensor RenderClip(const SceneRenderer& renderer, int64_t first_frame, int64_t frames);

// Where `clip` (as RenderClip() gave it) shows more than the bare background: 1 where a colour differs by more than
// 0.03, widened by two pixels each way, else 0: [frames, 1, height, width] (tiny_recipe.md section 3).
at::Tensor ObjectMask(const SceneRenderer& renderer, int64_t first_frame, const at::Tensor& clip);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_DATA_CLIP_TENSOR_H_
