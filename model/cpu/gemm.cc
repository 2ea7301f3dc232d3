#include "model/cpu/gemm.h"

#include <ATen/Parallel.h>

extern "C" void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* stride_a, const float* b, const int* stride_b,
                       const float* beta, float* c, const int* stride_c);

namespace videodiffcr::cpu {
namespace {

// BLAS is column-major: a row-major product out = a * b is out^T = b^T * a^T there, so the operands change places.
void ColumnMajorProduct(const char* transpose_b, ConstMatrix a, ConstMatrix b, int64_t m, int64_t n, int64_t k,
                        bool accumulate, Matrix out) {
  if (m == 0 || n == 0 || k == 0) return;
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), depth = static_cast<int>(k);
  const int stride_a = static_cast<int>(a.stride), stride_b = static_cast<int>(b.stride);
  const int stride_out = static_cast<int>(out.stride);
  const float alpha = 1.0f, beta = accumulate ? 1.0f : 0.0f;
  sgemm_(transpose_b, "N", &columns, &rows, &depth, &alpha, b.data, &stride_b, a.data, &stride_a, &beta, out.data,
         &stride_out);
}

}  // namespace

void MultiplyTransposed(ConstMatrix a, ConstMatrix b, int64_t m, int64_t n, int64_t k, bool accumulate, Matrix out) {
  ColumnMajorProduct("T", a, b, m, n, k, accumulate, out);
}

void Multiply(ConstMatrix a, ConstMatrix b, int64_t m, int64_t n, int64_t k, bool accumulate, Matrix out) {
  ColumnMajorProduct("N", a, b, m, n, k, accumulate, out);
}

void KeepMathOnThisThread() { at::set_num_threads(1); }

}  // namespace videodiffcr::cpu
