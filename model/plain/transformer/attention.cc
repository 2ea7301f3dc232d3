#include "model/plain/transformer/attention.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <cstdint>
#include <vector>

#include "model/plain/transformer/layers.h"

namespace videodiffcr {

namespace {

// [B, L, D] -> [B, L, N, d].
at::Tensor SplitHeads(const at::Tensor& x, int64_t num_heads) {
  return x.unflatten(-1, {num_heads, x.size(-1) / num_heads});
}

// bool [B, L].
at::Tensor SeenOf(const KeysValues& keys) {
  return keys.seen.defined() ? keys.seen
                             : at::ones({keys.k.size(0), keys.k.size(1)}, keys.k.options().dtype(at::kBool));
}

// Whether the rows of `next` come right after those of `rows` in one memory, both [B, L, N, d].
bool LiesBehind(const at::Tensor& rows, const at::Tensor& next) {
  return rows.is_alias_of(next) && rows.scalar_type() == next.scalar_type() && rows.strides() == next.strides() &&
         next.storage_offset() == rows.storage_offset() + rows.size(1) * rows.stride(1);
}

// A view cannot carry the gradients of both.
at::Tensor Join(const at::Tensor& past, const at::Tensor& chunk) {
  if (past.requires_grad() || chunk.requires_grad() || !LiesBehind(past, chunk)) return at::cat({past, chunk}, 1);
  std::vector<int64_t> sizes = past.sizes().vec();
  sizes[1] += chunk.size(1);
  return at::as_strided(past, sizes, past.strides(), past.storage_offset());
}

}  // namespace

at::Tensor Queries(const AttentionWeights& weights, const at::Tensor& x, int64_t num_heads, double eps) {
  return SplitHeads(RmsNorm(Linear(x, weights.q), weights.norm_q, eps), num_heads);
}

KeysValues MakeKeysValues(const AttentionWeights& weights, const at::Tensor& x, int64_t num_heads, double eps) {
  return {SplitHeads(RmsNorm(Linear(x, weights.k), weights.norm_k, eps), num_heads),
          SplitHeads(Linear(x, weights.v), num_heads)};
}

at::Tensor Attend(const at::Tensor& q, const KeysValues& keys) {
  // The operator wants heads before tokens: [B, N, L, d]. Its scale is 1/sqrt(d).
  const std::optional<at::Tensor> seen =
      keys.seen.defined() ? std::optional(keys.seen.unsqueeze(1).unsqueeze(1)) : std::nullopt;  // [B, 1, 1, L]
  const at::Tensor out =
      at::scaled_dot_product_attention(q.transpose(1, 2), keys.k.transpose(1, 2), keys.v.transpose(1, 2), seen);
  return out.transpose(1, 2).flatten(2);
}

KeysValues Concatenate(const KeysValues& past, const KeysValues& chunk) {
  if (!past.k.defined()) return chunk;
  KeysValues both = {Join(past.k, chunk.k), Join(past.v, chunk.v)};
  if (past.seen.defined() || chunk.seen.defined()) both.seen = at::cat({SeenOf(past), SeenOf(chunk)}, 1);
  return both;
}

}  // namespace videodiffcr
