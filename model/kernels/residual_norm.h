// The residual stream between two products, in one pass over memory: add the last product through its gate, then
// normalise for the next (causal_wan_dit.md section 5, steps 1, 5 to 8).
//
//   x[token] += gate * factor * product          when there is a product, for the tokens that have a row of it
//   out[row]  = LN(x[token]) * scale + shift     when there is an `out`
//
// The stream is fp32. Promise: fp32 arithmetic, two-pass variance; `out` rounded once to its element type. With
// Element::kFloat8 each row gets its own scale, its largest magnitude / 448, so that out * out_scale[row] is the value.
#ifndef VIDEODIFFCR_MODEL_KERNELS_RESIDUAL_NORM_H_
#define VIDEODIFFCR_MODEL_KERNELS_RESIDUAL_NORM_H_

#include "model/kernels/element.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::kernels {

inline constexpr int kWidestRow = 10240;  // values; widths are multiples of 4

// No result of a product is larger than reach * |x row| + offset (Cauchy and Schwarz), nor is GELU of it.
struct OutputBound {
  float reach = 0;   // length of the longest row of weights
  float offset = 0;  // largest magnitude of the bias
};

// Scales for the 8-bit form of what a product makes of `out`, before it is made. Real results lie some ten times below
// the bound; an 8-bit float has its three bits there, too.
struct ProductBound {
  OutputBound output;
  float* scale = nullptr;   // [rows] that bound / 448; null: not wanted
  float* shrink = nullptr;  // [rows] its inverse
};

struct ResidualNormCall {
  RowSet rows;
  int width = 0;
  float eps = 0;
  float* stream = nullptr;  // [tokens of all sessions, width]

  Element product_element = Element::kBfloat16;  // kFloat32 or kBfloat16
  const void* product = nullptr;                 // [all sessions' product rows, width]; null: nothing to add
  int32_t product_first[kMostSegments] = {};     // a session's first row of it
  // [tokens of the session]: a token's row of the product, counted from product_first; negative: none. Null: the
  // session's rows have one each, in order.
  const int32_t* product_row[kMostSegments] = {};
  const float* gate[kMostSegments] = {};    // [width]; null: 1
  const float* factor[kMostSegments] = {};  // [product rows of the session]; null: 1

  Element out_element = Element::kBfloat16;
  void* out = nullptr;                     // [rows, width]; null: no norm
  float* out_scale = nullptr;              // [rows], kFloat8 only
  const float* scale[kMostSegments] = {};  // [width]; null: 1
  const float* shift[kMostSegments] = {};  // [width]; null: 0
  ProductBound bound;                      // kFloat8 only
};

void ResidualNorm(const ResidualNormCall& call, Stream stream);

// The same call on host memory: product and out are kFloat32, sums in fp64.
void PlainResidualNorm(const ResidualNormCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_RESIDUAL_NORM_H_
