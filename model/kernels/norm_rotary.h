// From the q/k/v product to attention's operands in one pass: RMS norm over all heads together, rotary turn, and each
// part to its place (causal_wan_dit.md section 5, steps 2 to 4; section 6). Also the text queries, which do not turn.
//
// Promise: fp32 arithmetic, results rounded once to the element type; 8-bit floats saturate at +-448 and have scale 1.
#ifndef VIDEODIFFCR_MODEL_KERNELS_NORM_ROTARY_H_
#define VIDEODIFFCR_MODEL_KERNELS_NORM_ROTARY_H_

#include "model/kernels/element.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::kernels {

struct NormRotaryCall {
  RowSet rows;
  int width = 0;     // heads * head_dim
  int head_dim = 0;  // a multiple of 4
  float eps = 0;
  Element in_element = Element::kBfloat16;   // kFloat32 or kBfloat16
  Element out_element = Element::kBfloat16;  // of every output
  int64_t in_stride = 0;                     // values between rows of the three inputs

  const void* query_in = nullptr;  // [rows, width] each; null: that part is not wanted
  const void* key_in = nullptr;
  const void* value_in = nullptr;
  const float* query_weight = nullptr;  // [width]
  const float* key_weight = nullptr;    // [width]
  // cos and sin by token, [chunk tokens, head_dim / 2]; null: no turn.
  const float* cos[kMostSegments] = {};
  const float* sin[kMostSegments] = {};

  void* query_out = nullptr;            // [rows, width]
  void* keys = nullptr;                 // the layer's pool; the session's first row goes to key_row
  void* values = nullptr;               // the same
  int64_t key_row[kMostSegments] = {};  // of keys and values
  void* plain_keys = nullptr;           // keys before the turn, for window-relative positions; may be null
  int64_t plain_key_row[kMostSegments] = {};
};

void NormRotary(const NormRotaryCall& call, Stream stream);

// The same call on host memory: inputs and outputs are kFloat32, sums in fp64.
void PlainNormRotary(const NormRotaryCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_NORM_ROTARY_H_
