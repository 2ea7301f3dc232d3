#include <algorithm>

#include "model/kernels/tap_sum.h"

namespace videodiffcr::kernels {

void PlainTapSum(const TapSumCall& call) {
  const auto* shares = static_cast<const float*>(call.shares);
  const int64_t plane = int64_t{call.height} * call.width;
  for (int64_t place = 0; place < call.out_frames() * plane; ++place) {
    const int frame = static_cast<int>(place / plane);
    const int row = static_cast<int>(place % plane / call.width), column = static_cast<int>(place % call.width);
    for (int colour = 0; colour < kTapColours; ++colour) {
      float sum = call.bias[colour];
      int tap = 0;
      for (int t = 0; t < call.kernel_frames; ++t) {
        for (int r = 0; r < call.kernel_rows; ++r) {
          for (int s = 0; s < call.kernel_columns; ++s, ++tap) {
            const int y = row + r - call.kernel_rows / 2, x = column + s - call.kernel_columns / 2;
            if (y < 0 || y >= call.height || x < 0 || x >= call.width) continue;
            const int64_t from = (frame + t) * plane + int64_t{y} * call.width + x;
            sum += shares[from * call.pitch + kTapPitch * tap + colour];
          }
        }
      }
      call.output[(frame * int64_t{kTapColours} + colour) * plane + place % plane] =
          std::clamp(call.scale * sum + call.offset, 0.0f, 1.0f);
    }
  }
}

}  // namespace videodiffcr::kernels
