#include <cmath>

#include "model/kernels/residual_norm.h"

namespace videodiffcr::kernels {

void PlainResidualNorm(int rows, int width, float eps, const float* product, const float* gate, const float* factor,
                       const float* scale, const float* shift, float* x, float* out) {
  for (int row = 0; row < rows; ++row) {
    float* values = x + static_cast<int64_t>(row) * width;
    double sum = 0, squares = 0;
    for (int i = 0; i < width; ++i) {
      if (product != nullptr) {
        const float weight = (gate == nullptr ? 1.0f : gate[i]) * (factor == nullptr ? 1.0f : factor[row]);
        values[i] += weight * product[static_cast<int64_t>(row) * width + i];
      }
      sum += values[i];
    }
    const double mean = sum / width;
    for (int i = 0; i < width; ++i) squares += (values[i] - mean) * (values[i] - mean);
    const double inverse = 1.0 / std::sqrt(squares / width + eps);
    for (int i = 0; i < width && out != nullptr; ++i) {
      out[static_cast<int64_t>(row) * width + i] =
          static_cast<float>((values[i] - mean) * inverse) * (scale == nullptr ? 1.0f : scale[i]) +
          (shift == nullptr ? 0.0f : shift[i]);
    }
  }
}

}  // namespace videodiffcr::kernels
