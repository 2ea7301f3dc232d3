// Single-precision matrix products through the BLAS that LibTorch is linked with (its standard Fortran symbol sgemm_),
// called on the calling thread alone. Why BLAS directly: at the sizes of `tiny` the dispatch of one ATen call costs as
// much as a twentieth of the product, and a product must not start threads of its own inside ours
// (docs/performance.md).
#ifndef VIDEODIFFCR_MODEL_CPU_GEMM_H_
#define VIDEODIFFCR_MODEL_CPU_GEMM_H_

#include <cstdint>

namespace videodiffcr::cpu {

// A row-major matrix inside a larger one: `stride` values from row to row.
struct ConstMatrix {
  const float* data;
  int64_t stride;
};
struct Matrix {
  float* data;
  int64_t stride;
};

// out[m, n] = a[m, k] * b[n, k]^T (+ out when accumulate). The shape of a linear layer's weight, and of queries times
// keys.
void MultiplyTransposed(ConstMatrix a, ConstMatrix b, int64_t m, int64_t n, int64_t k, bool accumulate, Matrix out);

// out[m, n] = a[m, k] * b[k, n] (+ out when accumulate). Attention weights times values.
void Multiply(ConstMatrix a, ConstMatrix b, int64_t m, int64_t n, int64_t k, bool accumulate, Matrix out);

// BLAS and LibTorch operators called from this thread stay on it. Every thread that multiplies or decodes calls it
// first: the setting belongs to a thread, and new threads start with one worker per processor. Costs next to nothing
// when repeated.
void KeepMathOnThisThread();

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_GEMM_H_
