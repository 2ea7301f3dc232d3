// How the latent frames of a call go through a decoder's network: some at a time, one group behind the other.
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_LATENT_GROUPS_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_LATENT_GROUPS_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace videodiffcr {

inline constexpr int64_t kFramesPerLatent = 4;
// Latent frames that go through together. More would gain little and take memory.
inline constexpr int64_t kMostLatents = 3;

// Calls run(latents of the group, whether it is the scene's first frame alone, where its pixels begin in `pixels`) for
// each group of `latents` [frames, ...]. `first_alone`: the first frame is a group of its own, and becomes one frame of
// pixels instead of four.
template <typename Run>
void ForEachLatentGroup(const at::Tensor& latents, bool first_alone, const at::Tensor& pixels, const Run& run) {
  const int64_t frames = latents.size(0);
  float* out = pixels.mutable_data_ptr<float>();
  for (int64_t first = 0; first < frames;) {
    const bool alone = first_alone && first == 0;
    const int64_t count = alone ? 1 : std::min(frames - first, kMostLatents);
    run(latents.narrow(0, first, count), alone, out);
    out += (alone ? 1 : kFramesPerLatent * count) * pixels.stride(0);
    first += count;
  }
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_LATENT_GROUPS_H_
