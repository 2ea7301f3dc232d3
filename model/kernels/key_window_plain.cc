#include <cmath>

#include "model/kernels/key_window.h"
#include "model/kernels/rotary_angle.h"

namespace videodiffcr::kernels {

void PlainRotaryTable(const RotaryShape& shape, int64_t first_frame, int frames, float* cos, float* sin) {
  const int sites = shape.rows * shape.columns;
  for (int token = 0; token < frames * sites; ++token) {
    for (int pair = 0; pair < shape.head_dim / 2; ++pair) {
      const double angle = RotaryAngle(shape, first_frame + token / sites, token % sites, pair);
      *cos++ = static_cast<float>(std::cos(angle));
      *sin++ = static_cast<float>(std::sin(angle));
    }
  }
}

}  // namespace videodiffcr::kernels
