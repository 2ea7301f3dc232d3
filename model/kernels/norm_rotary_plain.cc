#include <cmath>

#include "model/kernels/norm_rotary.h"

namespace videodiffcr::kernels {

void PlainNormRotary(int rows, int width, int head_dim, float eps, const float* weight, const float* cos,
                     const float* sin, const float* in, float* out) {
  const int pairs = head_dim / 2;
  for (int row = 0; row < rows; ++row, in += width, out += width) {
    double squares = 0;
    for (int i = 0; i < width; ++i) squares += static_cast<double>(in[i]) * in[i];
    const double inverse = 1.0 / std::sqrt(squares / width + eps);
    for (int i = 0; i < width; ++i)
      out[i] = weight == nullptr ? in[i] : static_cast<float>(in[i] * inverse) * weight[i];
    for (int i = 0; i < width && cos != nullptr; i += 2) {
      const int at = row * pairs + i % head_dim / 2;
      const float a = out[i], b = out[i + 1];
      out[i] = a * cos[at] - b * sin[at];
      out[i + 1] = a * sin[at] + b * cos[at];
    }
  }
}

}  // namespace videodiffcr::kernels
