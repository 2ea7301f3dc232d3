// Softmax attention of some query rows over two runs of keys: the past and the current chunk (or the text).
#ifndef VIDEODIFFCR_MODEL_CPU_ATTENTION_H_
#define VIDEODIFFCR_MODEL_CPU_ATTENTION_H_

#include <cstdint>

#include "model/cpu/float_buffer.h"

namespace videodiffcr::cpu {

// Keys and values with all heads side by side, [rows, heads * head_dim].
struct KeyRun {
  const float* keys = nullptr;
  const float* values = nullptr;
  int64_t rows = 0;
};

// Queries are taken in blocks of this many rows, so that a block's logits stay in the processor's cache.
inline constexpr int64_t kAttentionRowBlock = 96;

// out[r, head] = softmax(q[r, head] . K^T / sqrt(head_dim)) V over past then chunk (step 4 of causal_wan_dit.md
// section 5). queries, out: [rows, heads * head_dim]. `last_key_bias` is added to the logit of the very last key.
// `logits` is scratch of at least kAttentionRowBlock * (past.rows + chunk.rows) values.
void Attend(const float* queries, int64_t rows, int64_t heads, int64_t head_dim, const KeyRun& past,
            const KeyRun& chunk, float last_key_bias, FloatBuffer& logits, float* out);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_ATTENTION_H_
