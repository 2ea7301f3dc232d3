// The angle by which one pair of a head turns; one definition for device and host (causal_wan_dit.md section 6).
#ifndef VIDEODIFFCR_MODEL_KERNELS_ROTARY_ANGLE_H_
#define VIDEODIFFCR_MODEL_KERNELS_ROTARY_ANGLE_H_

#include <cmath>

#include "model/kernels/key_window.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::kernels {

// `site`: token within its frame; `pair` in [0, head_dim / 2): first those of the frame, then row, then column.
VIDEODIFFCR_HOST_DEVICE inline double RotaryAngle(const RotaryShape& shape, int64_t frame, int site, int pair) {
  const int of_row = shape.head_dim / 6, of_frame = shape.head_dim / 2 - 2 * of_row;
  double position = static_cast<double>(frame);
  int index = pair, pairs = of_frame;
  if (pair >= of_frame) {
    const bool is_row = pair < of_frame + of_row;
    position = is_row ? site / shape.columns : site % shape.columns;
    index = pair - of_frame - (is_row ? 0 : of_row);
    pairs = of_row;
  }
  return position * pow(10000.0, -static_cast<double>(index) / static_cast<double>(pairs));
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_ROTARY_ANGLE_H_
