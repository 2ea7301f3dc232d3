// Compiled with --fmad=false: a fused multiply-add rounds once where the host rounds twice, and noise must agree in
// every bit.
#include <cuda_runtime.h>

#include "model/config/normal_pair.h"
#include "model/kernels/chunk_latents.h"
#include "model/kernels/latent_index.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;

int Blocks(int64_t items) { return static_cast<int>((items + kThreads - 1) / kThreads); }

// Values 4 i to 4 i + 3 of a draw.
__device__ float4 FourNormals(const NoiseDraw& draw, int64_t i) {
  const PhiloxWords bits = Philox(
      {static_cast<uint32_t>(i), draw.draw, static_cast<uint32_t>(draw.chunk), static_cast<uint32_t>(draw.chunk >> 32)},
      static_cast<uint32_t>(draw.seed), static_cast<uint32_t>(draw.seed >> 32));
  const PairOfNormals low = NormalPair(bits.words[0], bits.words[1]), high = NormalPair(bits.words[2], bits.words[3]);
  return {low.values[0], low.values[1], high.values[0], high.values[1]};
}

// Grid: (values, draws that follow each other).
__global__ void FillNoiseKernel(int64_t values, NoiseDraw draw, float* latents) {
  const int64_t four = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (4 * four >= values) return;
  draw.draw += blockIdx.y;
  latents += blockIdx.y * values;
  const float4 normals = FourNormals(draw, four);
  const float* normal = &normals.x;
  for (int64_t i = 4 * four; i < 4 * four + 4 && i < values; ++i) latents[i] = normal[i - 4 * four];
}

__global__ void PatchifyKernel(PatchifyCall call, int64_t values) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < values) call.patches[PlaceOfLatent(call.shape, i).patch_index] = call.latents[i];
}

__global__ void SamplerStepKernel(SamplerStepCall call, int64_t values) {
  const int64_t four = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (4 * four >= values) return;
  float4 normals = {};
  if (!call.last && call.noise_values == nullptr) normals = FourNormals(call.noise, four);
  const float* noise = call.noise_values == nullptr ? &normals.x : call.noise_values + 4 * four;
  for (int64_t i = 4 * four; i < 4 * four + 4 && i < values; ++i) {
    const float flow = call.flow[PlaceOfLatent(call.shape, i).flow_index];
    const float clean = static_cast<float>(call.latents[i] - call.sigma * flow);
    call.latents[i] = call.last ? clean : (1.0f - call.next_sigma) * clean + call.next_sigma * noise[i - 4 * four];
  }
}

}  // namespace

void FillNoise(const LatentShape& shape, const NoiseDraw& draw, float* latents, Stream stream) {
  FillNoiseKernel<<<Blocks((shape.values() + 3) / 4), kThreads, 0, stream>>>(shape.values(), draw, latents);
}

void FillNormals(const NoiseDraw& first, int rows, int count, float* values, Stream stream) {
  FillNoiseKernel<<<dim3(Blocks((count + 3) / 4), rows), kThreads, 0, stream>>>(count, first, values);
}

void Patchify(const PatchifyCall& call, Stream stream) {
  const int64_t values = call.shape.values();
  PatchifyKernel<<<Blocks(values), kThreads, 0, stream>>>(call, values);
}

void TakeSamplerStep(const SamplerStepCall& call, Stream stream) {
  const int64_t values = call.shape.values();
  SamplerStepKernel<<<Blocks((values + 3) / 4), kThreads, 0, stream>>>(call, values);
}

}  // namespace videodiffcr::kernels
