#include "training/data/clip_tensor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <vector>

namespace videodiffcr::training {

at::Tensor RenderClip(const SceneRenderer& renderer, int64_t first_frame, int64_t frames) {
  at::Tensor clip = at::empty({frames, 3, kSceneHeight, kSceneWidth});
  float* out = clip.mutable_data_ptr<float>();
  for (int64_t i = 0; i < frames; ++i) {
    renderer.Render(first_frame + i, absl::MakeSpan(out + i * kFrameValues, kFrameValues));
  }
  return clip;
}

at::Tensor RenderBackgrounds(const SceneRenderer& renderer, int64_t first_frame, int64_t frames) {
  at::Tensor clip = at::empty({frames, 3, kSceneHeight, kSceneWidth});
  float* out = clip.mutable_data_ptr<float>();
  for (int64_t i = 0; i < frames; ++i) {
    const std::vector<float>& background = renderer.BackgroundAt(first_frame + i);
    std::copy(background.begin(), background.end(), out + i * kFrameValues);
  }
  return clip;
}

at::Tensor ObjectMask(const at::Tensor& pixels, const at::Tensor& background) {
  const at::Tensor differs = (pixels - background).abs().amax(1, /*keepdim=*/true).gt(0.03).to(at::kFloat);
  return at::max_pool2d(differs, /*kernel_size=*/5, /*stride=*/1, /*padding=*/2);
}

}  // namespace videodiffcr::training
