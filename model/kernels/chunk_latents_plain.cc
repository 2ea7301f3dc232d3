#include "model/kernels/chunk_latents.h"
#include "model/kernels/latent_index.h"

namespace videodiffcr::kernels {

void PlainPatchify(const LatentShape& shape, const float* latents, float* patches) {
  for (int64_t i = 0; i < shape.values(); ++i) patches[PlaceOfLatent(shape, i).patch_index] = latents[i];
}

void PlainTakeSamplerStep(const LatentShape& shape, const SamplerStep& step, const float* flow, float* latents) {
  for (int64_t i = 0; i < shape.values(); ++i) {
    const float clean = static_cast<float>(latents[i] - step.sigma * flow[PlaceOfLatent(shape, i).flow_index]);
    latents[i] = step.last ? clean : (1.0f - step.next_sigma) * clean + step.next_sigma * step.noise_values[i];
  }
}

}  // namespace videodiffcr::kernels
