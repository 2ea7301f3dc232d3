// Where a latent value lies among the patches and in the flow; one definition for device and host.
#ifndef VIDEODIFFCR_MODEL_KERNELS_LATENT_INDEX_H_
#define VIDEODIFFCR_MODEL_KERNELS_LATENT_INDEX_H_

#include "model/kernels/chunk_latents.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::kernels {

struct LatentPlace {
  int64_t patch_index;  // into [tokens, channel, row, column]
  int64_t flow_index;   // into [tokens, row, column, channel]
};

VIDEODIFFCR_HOST_DEVICE inline LatentPlace PlaceOfLatent(const LatentShape& shape, int64_t index) {
  const int x = static_cast<int>(index % shape.width), y = static_cast<int>(index / shape.width % shape.height);
  const int channel = static_cast<int>(index / shape.width / shape.height % shape.channels);
  const int frame = static_cast<int>(index / shape.width / shape.height / shape.channels);
  const int columns = shape.width / shape.patch_width, rows = shape.height / shape.patch_height;
  const int64_t token = (int64_t{frame} * rows + y / shape.patch_height) * columns + x / shape.patch_width;
  const int row = y % shape.patch_height, column = x % shape.patch_width;
  const int64_t patch_values = int64_t{shape.patch_height} * shape.patch_width * shape.channels;
  const int in_patch = row * shape.patch_width + column;
  return {token * patch_values + channel * shape.patch_height * shape.patch_width + in_patch,
          token * patch_values + in_patch * shape.channels + channel};
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_LATENT_INDEX_H_
