// Self-attention of whole windows of chunks with teacher forcing, without a mask (tiny_recipe.md section 6).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_TEACHER_FORCING_ATTENTION_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_TEACHER_FORCING_ATTENTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/plain/transformer/attention.h"

namespace videodiffcr {

// Queries and keys of the K noisy chunks of B windows, then of the clean ones but the last: [2 K - 1, B, N, heads, d]
// ->
// [(2 K - 1) B, N, D]. Noisy chunk j sees the clean chunks before it and itself, clean chunk j those up to itself. A
// call of Attend() for each, over just the keys that it sees: neither a mask of tokens x tokens is made nor scores are
// kept.
at::Tensor AttendWithTeacherForcing(const at::Tensor& q, const KeysValues& keys, int64_t chunks);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_TEACHER_FORCING_ATTENTION_H_
