#include "model/kernels/chunk_latents.h"
#include "model/kernels/latent_index.h"

namespace videodiffcr::kernels {

void PlainPatchify(const PatchifyCall& call) {
  for (int64_t i = 0; i < call.shape.values(); ++i) {
    call.patches[PlaceOfLatent(call.shape, i).patch_index] = call.latents[i];
  }
}

void PlainTakeSamplerStep(const SamplerStepCall& call) {
  for (int64_t i = 0; i < call.shape.values(); ++i) {
    const float flow = call.flow[PlaceOfLatent(call.shape, i).flow_index];
    const float clean = static_cast<float>(call.latents[i] - call.sigma * flow);
    call.latents[i] = call.last ? clean : (1.0f - call.next_sigma) * clean + call.next_sigma * call.noise_values[i];
  }
}

}  // namespace videodiffcr::kernels
