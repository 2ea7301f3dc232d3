#include "model/cpu/attention.h"

#include <algorithm>
#include <cmath>

#include "model/cpu/gemm.h"
#include "model/cpu/row_kernels.h"

namespace videodiffcr::cpu {

void Attend(const float* queries, int64_t rows, int64_t heads, int64_t head_dim, const KeyRun& past,
            const KeyRun& chunk, float last_key_bias, FloatBuffer& logits, float* out) {
  const int64_t dim = heads * head_dim, keys = past.rows + chunk.rows;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  for (int64_t first = 0; first < rows; first += kAttentionRowBlock) {
    const int64_t count = std::min(kAttentionRowBlock, rows - first);
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t offset = head * head_dim;
      const ConstMatrix query{queries + first * dim + offset, dim};
      MultiplyTransposed(query, {past.keys + offset, dim}, count, past.rows, head_dim, false, {logits.data(), keys});
      MultiplyTransposed(query, {chunk.keys + offset, dim}, count, chunk.rows, head_dim, false,
                         {logits.data() + past.rows, keys});
      Softmax(count, keys, keys, scale, last_key_bias, logits.data());
      const Matrix to{out + first * dim + offset, dim};
      Multiply({logits.data(), keys}, {past.values + offset, dim}, count, head_dim, past.rows, false, to);
      Multiply({logits.data() + past.rows, keys}, {chunk.values + offset, dim}, count, head_dim, chunk.rows,
               past.rows > 0, to);
    }
  }
}

}  // namespace videodiffcr::cpu
