// Between latents and tokens: patches in, flow out, and the few-step sampler's update with its noise
// (causal_wan_dit.md sections 3 and 5; self_forcing_inference.md sections 3 and 4). Latents are fp32.
//
// Promise: noise has the same bits as FillNormal() of model/config/noise.h for the same key.
#ifndef VIDEODIFFCR_MODEL_KERNELS_CHUNK_LATENTS_H_
#define VIDEODIFFCR_MODEL_KERNELS_CHUNK_LATENTS_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct LatentShape {
  int frames = 0, channels = 0, height = 0, width = 0;
  int patch_height = 0, patch_width = 0;
  int64_t values() const { return int64_t{frames} * channels * height * width; }
};

struct NoiseDraw {
  uint64_t seed = 0;
  uint64_t chunk = 0;
  uint32_t draw = 0;
};

// latents [frames, channels, height, width] = standard normal values.
void FillNoise(const LatentShape& shape, const NoiseDraw& draw, float* latents, Stream stream);

// values [rows, count]: row i is the draw of number first.draw + i.
void FillNormals(const NoiseDraw& first, int rows, int count, float* values, Stream stream);

struct PatchifyCall {
  LatentShape shape;
  const float* latents = nullptr;  // [frames, channels, height, width]
  float* patches = nullptr;        // [tokens, channels * patch_height * patch_width], channel slowest
};
void Patchify(const PatchifyCall& call, Stream stream);

// x0 = x_t - sigma flow; then latents = last ? x0 : (1 - next_sigma) x0 + next_sigma noise. In place.
struct SamplerStepCall {
  LatentShape shape;
  double sigma = 0;
  float next_sigma = 0;
  bool last = false;
  NoiseDraw noise;
  const float* noise_values = nullptr;  // [frames, channels, height, width] instead of the draw, for checks
  const float* flow = nullptr;          // [tokens, patch_height * patch_width * channels], channel fastest
  float* latents = nullptr;             // [frames, channels, height, width]
};
void TakeSamplerStep(const SamplerStepCall& call, Stream stream);

// The same two calls on host memory; noise_values are needed unless the step is the last.
void PlainPatchify(const PatchifyCall& call);
void PlainTakeSamplerStep(const SamplerStepCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_CHUNK_LATENTS_H_
