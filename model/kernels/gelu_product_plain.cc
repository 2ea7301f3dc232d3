#include <cmath>
#include <cstdint>

#include "model/kernels/gelu_product.h"

namespace videodiffcr::kernels {
namespace {

double Gelu(double x) { return 0.5 * x * (1.0 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x))); }

}  // namespace

void PlainGeluProduct(const GeluProductCall& call) {
  const float* bias = static_cast<const float*>(call.bias);
  float* result = static_cast<float*>(call.result);
  for (int row = 0; row < call.rows; ++row) {
    const float* x = static_cast<const float*>(call.x) + int64_t{row} * call.in;
    for (int column = 0; column < call.out; ++column) {
      const float* weight = static_cast<const float*>(call.weight) + int64_t{column} * call.in;
      double sum = 0;
      for (int i = 0; i < call.in; ++i) sum += double{x[i]} * weight[i];
      const double product = sum * call.row_scale[row] * call.column_scale[column] + bias[column];
      result[int64_t{row} * call.out + column] = static_cast<float>(Gelu(product) * call.shrink[row]);
    }
  }
}

}  // namespace videodiffcr::kernels
