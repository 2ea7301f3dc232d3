// The elementwise work of a transformer block on the CPU, fused row by row; matrix products are in gemm.h.
//
// Every function works on `rows` rows of fp32 values and touches nothing else, so any split of the rows over threads
// gives the same bits. Reductions run in a fixed order. Formulas: causal_wan_dit.md sections 4 to 6; plain references
// and tests over odd sizes: tests/model/cpu/row_kernels_test.cc.
#ifndef VIDEODIFFCR_MODEL_CPU_ROW_KERNELS_H_
#define VIDEODIFFCR_MODEL_CPU_ROW_KERNELS_H_

#include <cstdint>

namespace videodiffcr::cpu {

// out[r] = LN(x[r]) * scale + shift. scale: a norm's weight, or 1 + the modulation's scale; null scale: 1 and no shift.
// x, out: [rows, dim]; scale, shift: [dim] (a chunk has one timestep, so all its frames share the modulation).
void LayerNorm(const float* x, const float* scale, const float* shift, int64_t rows, int64_t dim, float eps,
               float* out);

// x[r] += gate * factor[r] * (y[r] + bias). gate null: 1; factor null: 1. x, y: [rows, dim]; gate, bias: [dim].
void AddGated(const float* y, const float* bias, const float* gate, const float* factor, int64_t rows, int64_t dim,
              float* x);

// out[r] = RMS(y[r] + bias) * weight over the full dim (all heads together). y rows are `y_stride` apart.
void BiasedRmsNorm(const float* y, int64_t y_stride, const float* bias, const float* weight, int64_t rows, int64_t dim,
                   float eps, float* out, int64_t out_stride);

// out[r] = y[r] + bias.
void AddBias(const float* y, int64_t y_stride, const float* bias, int64_t rows, int64_t dim, float* out,
             int64_t out_stride);

// Rotates pairs (2j, 2j+1) of every head by the angles of the row's token: cos, sin [tokens, head_dim / 2], indexed by
// token_of_row[r], or by r when that is null. x and out may be the same. Section 6.
void Rotate(const float* x, const float* cos, const float* sin, const int32_t* token_of_row, int64_t rows,
            int64_t heads, int64_t head_dim, float* out);

// y[r] = GELU_tanh(y[r] + bias). y: [rows, dim].
void BiasedGelu(const float* bias, int64_t rows, int64_t dim, float* y);

// Softmax over `keys` values of each row, in place; rows are `stride` apart. `last_key_bias` is added to the last logit
// first (section 11: identical text padding rows merged into one key).
void Softmax(int64_t rows, int64_t keys, int64_t stride, float scale, float last_key_bias, float* logits);

// y[i] = y[i] * sigmoid(y[i]) over n values.
void Silu(int64_t n, float* y);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_ROW_KERNELS_H_
