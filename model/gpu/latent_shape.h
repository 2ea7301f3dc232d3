// A chunk's latents as the kernels want to be told of them.
#ifndef VIDEODIFFCR_MODEL_GPU_LATENT_SHAPE_H_
#define VIDEODIFFCR_MODEL_GPU_LATENT_SHAPE_H_

#include "model/config/model_config.h"
#include "model/kernels/chunk_latents.h"

namespace videodiffcr::gpu {

inline kernels::LatentShape LatentShapeOf(const TransformerConfig& config) {
  return {static_cast<int>(config.chunk_frames),  static_cast<int>(config.in_dim),
          static_cast<int>(config.latent_height), static_cast<int>(config.latent_width),
          static_cast<int>(config.patch_height),  static_cast<int>(config.patch_width)};
}

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_LATENT_SHAPE_H_
