// RGB in [0, 1] to BT.601 limited-range levels; one definition for device and host.
#ifndef VIDEODIFFCR_MODEL_KERNELS_COLOUR_MATRIX_H_
#define VIDEODIFFCR_MODEL_KERNELS_COLOUR_MATRIX_H_

#include "model/kernels/row_set.h"  // VIDEODIFFCR_HOST_DEVICE

namespace videodiffcr::kernels {

struct Colour {
  float red = 0, green = 0, blue = 0;
};

// Weights of the four rows that a chroma row sees.
VIDEODIFFCR_HOST_DEVICE inline float ChromaRowWeight(int row) { return row == 0 || row == 3 ? 0.125f : 0.375f; }

VIDEODIFFCR_HOST_DEVICE inline float LumaOf(const Colour& c) {
  return 16.0f + 65.481f * c.red + 128.553f * c.green + 24.966f * c.blue;
}
VIDEODIFFCR_HOST_DEVICE inline float BlueDifferenceOf(const Colour& c) {
  return 128.0f - 37.797f * c.red - 74.203f * c.green + 112.0f * c.blue;
}
VIDEODIFFCR_HOST_DEVICE inline float RedDifferenceOf(const Colour& c) {
  return 128.0f + 112.0f * c.red - 93.786f * c.green - 18.214f * c.blue;
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_COLOUR_MATRIX_H_
