// Rendered scenes as tensors: RGB in [0, 1].
#ifndef VIDEODIFFCR_TRAINING_DATA_CLIP_TENSOR_H_
#define VIDEODIFFCR_TRAINING_DATA_CLIP_TENSOR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "training/scenes/scene_renderer.h"

namespace videodiffcr::training {

// Frames [first_frame, first_frame + frames) of a scene: [frames, 3, height, width].
at::Tensor RenderClip(const SceneRenderer& renderer, int64_t first_frame, int64_t frames);
// The bare backgrounds that these frames stand before, the same shape.
at::Tensor RenderBackgrounds(const SceneRenderer& renderer, int64_t first_frame, int64_t frames);

// Where `pixels` shows more than `background`, both [frames, 3, height, width]: 1 where a colour differs by more than
// 0.03, widened by two pixels each way, else 0: [frames, 1, height, width] (tiny_recipe.md section 3).
at::Tensor ObjectMask(const at::Tensor& pixels, const at::Tensor& background);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_DATA_CLIP_TENSOR_H_
