#include <cmath>

#include "model/kernels/residual_norm.h"

namespace videodiffcr::kernels {
namespace {

// The product's row of a packed row; null: there is none to add.
const float* ProductRow(const ResidualNormCall& call, int row, int segment, int* index) {
  if (call.product == nullptr) return nullptr;
  *index = row - call.rows.first_row[segment];
  if (call.product_row[segment] != nullptr) *index = call.product_row[segment][call.rows.token(row, segment)];
  if (*index < 0) return nullptr;
  const int64_t first = call.product_first[segment];
  return static_cast<const float*>(call.product) + (first + *index) * call.width;
}

void AddProduct(const ResidualNormCall& call, int row, int segment, float* x) {
  int index = 0;
  const float* product = ProductRow(call, row, segment, &index);
  if (product == nullptr) return;
  const float factor = call.factor[segment] == nullptr ? 1.0f : call.factor[segment][index];
  for (int i = 0; i < call.width; ++i) {
    x[i] += (call.gate[segment] == nullptr ? 1.0f : call.gate[segment][i]) * factor * product[i];
  }
}

void NormRow(const ResidualNormCall& call, int segment, const float* x, float* out) {
  double sum = 0, squares = 0;
  for (int i = 0; i < call.width; ++i) sum += x[i];
  const double mean = sum / call.width;
  for (int i = 0; i < call.width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double inverse = 1.0 / std::sqrt(squares / call.width + call.eps);
  for (int i = 0; i < call.width; ++i) {
    const float scale = call.scale[segment] == nullptr ? 1.0f : call.scale[segment][i];
    const float shift = call.shift[segment] == nullptr ? 0.0f : call.shift[segment][i];
    out[i] = static_cast<float>((x[i] - mean) * inverse) * scale + shift;
  }
}

void BoundRow(const ProductBound& bound, int row, int width, const float* out) {
  double squares = 0;
  for (int i = 0; i < width; ++i) squares += double{out[i]} * out[i];
  // Rounding to 8 bits may make the row longer by a sixteenth.
  bound.scale[row] =
      static_cast<float>((bound.output.reach * 17 / 16 * std::sqrt(squares) + bound.output.offset) / 448);
  bound.shrink[row] = 1 / bound.scale[row];
}

}  // namespace

void PlainResidualNorm(const ResidualNormCall& call) {
  for (int row = 0; row < call.rows.rows(); ++row) {
    const int segment = call.rows.segment_of(row);
    const int64_t token = call.rows.base_row[segment] + call.rows.token(row, segment);
    float* x = call.stream + token * call.width;
    AddProduct(call, row, segment, x);
    if (call.out == nullptr) continue;
    float* out = static_cast<float*>(call.out) + int64_t{row} * call.width;
    NormRow(call, segment, x, out);
    if (call.bound.scale != nullptr) BoundRow(call.bound, row, call.width, out);
  }
}

}  // namespace videodiffcr::kernels
