#include "model/transformer/block.h"

#include <ATen/TensorOperators.h>
#include "model/transformer/layers.h"
#include "model/transformer/router.h"
#include "model/transformer/selection.h"

namespace videodiffcr {

namespace {

// Which tokens of the chunk some rows are. All N in order, or the kept ones of each batch row.
struct Rows {
  RotaryTable rotary;
  at::Tensor kept;  // int64 [B, k]; undefined: all N
};

// x [B, N, D] -> the rows' [B, k, D].
at::Tensor GatherRows(const at::Tensor& x, const at::Tensor& kept) {
  return x.gather(1, kept.unsqueeze(-1).expand({kept.size(0), kept.size(1), x.size(-1)}));
}

// One vector per frame for each row: [B, F, D] -> [B, L, D].
at::Tensor PerRow(const at::Tensor& per_frame, int64_t tokens, const at::Tensor& kept) {
  const int64_t tokens_per_frame = tokens / per_frame.size(1);
  if (kept.defined()) return GatherRows(per_frame, kept.floor_divide(tokens_per_frame));
  return per_frame.repeat_interleave(tokens_per_frame, 1);
}

// The six vectors m_j of every frame, section 5: modulation[0, j] + e0[b, f, j].
struct Modulation {
  at::Tensor shift_sa, scale_sa, gate_sa, shift_ffn, scale_ffn, gate_ffn;  // [B, F, D]
  int64_t tokens;                                                          // N

  Modulation(const at::Tensor& modulation, const at::Tensor& time, int64_t tokens) : tokens(tokens) {
    const at::Tensor m = modulation.unsqueeze(1) + time;  // [B, F, 6, D]
    at::Tensor* const roles[] = {&shift_sa, &scale_sa, &gate_sa, &shift_ffn, &scale_ffn, &gate_ffn};
    for (int64_t j = 0; j < 6; ++j) *roles[j] = m.select(2, j);
  }

  // x (1 + scale) + shift, x [B, L, D].
  at::Tensor BeforeAttention(const at::Tensor& x, const at::Tensor& kept) const {
    return x * PerRow(1 + scale_sa, tokens, kept) + PerRow(shift_sa, tokens, kept);
  }
  at::Tensor BeforeFeedForward(const at::Tensor& x, const at::Tensor& kept) const {
    return x * PerRow(1 + scale_ffn, tokens, kept) + PerRow(shift_ffn, tokens, kept);
  }
};

// softmax over the past and the chunk: the queries of h [B, L, D] at `rows` -> [B, L, D].
at::Tensor SelfAttend(const BlockWeights& weights, const BlockContext& context, const Rows& rows, const at::Tensor& h,
                      const KeysValues& chunk) {
  const at::Tensor q = Queries(weights.self_attn, h, context.num_heads, context.eps);
  KeysValues past = context.past;
  if (past.k.defined() && context.positions.past) past.k = ApplyRotary(past.k, *context.positions.past);
  return Attend(ApplyRotary(q, rows.rotary), Concatenate(past, chunk));
}

// Steps 5 to 8 for the rows x [B, L, D], whose self-attention gave `attended` [B, L, D]. `gate` [B, L, 1] scales the
// feed-forward residual; undefined: 1.
at::Tensor AfterSelfAttention(const BlockWeights& weights, const BlockContext& context, const Modulation& modulation,
                              const Rows& rows, const at::Tensor& x, const at::Tensor& attended,
                              const at::Tensor& gate) {
  const at::Tensor x1 =
      x + PerRow(modulation.gate_sa, modulation.tokens, rows.kept) * Linear(attended, weights.self_attn.o);

  const at::Tensor c = AffineLayerNorm(x1, weights.norm3_weight, weights.norm3_bias, context.eps);
  const at::Tensor text = Attend(Queries(weights.cross_attn, c, context.num_heads, context.eps), context.text);
  const at::Tensor x2 = x1 + Linear(text, weights.cross_attn.o);

  const at::Tensor y = modulation.BeforeFeedForward(LayerNorm(x2, context.eps), rows.kept);
  const at::Tensor fed = PerRow(modulation.gate_ffn, modulation.tokens, rows.kept) *
                         Linear(GeluTanh(Linear(y, weights.ffn_in)), weights.ffn_out);
  return x2 + (gate.defined() ? gate * fed : fed);
}

// Keys for this pass and as the cache holds them: h [B, L, D] at `rotary`.
struct ChunkKeys {
  KeysValues turned;  // to attend to
  KeysValues cached;
};
ChunkKeys MakeChunkKeys(const BlockWeights& weights, const BlockContext& context, const RotaryTable& rotary,
                        const at::Tensor& h) {
  const KeysValues plain = MakeKeysValues(weights.self_attn, h, context.num_heads, context.eps);
  const KeysValues turned = {ApplyRotary(plain.k, rotary), plain.v};
  return {turned, context.positions.past ? plain : turned};
}

}  // namespace

BlockOutput DenseBlock(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
  const Modulation modulation(weights.modulation, context.time, x.size(1));
  const Rows all = {context.positions.chunk, {}};
  const at::Tensor h = modulation.BeforeAttention(LayerNorm(x, context.eps), all.kept);
  const ChunkKeys keys = MakeChunkKeys(weights, context, all.rotary, h);
  const at::Tensor attended = SelfAttend(weights, context, all, h, keys.turned);
  return {AfterSelfAttention(weights, context, modulation, all, x, attended, {}), keys.cached, {}, {}};
}

BlockOutput RoutedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                        int64_t kept_rows, const at::Tensor& x) {
  const Modulation modulation(weights.modulation, context.time, x.size(1));
  const int64_t frames = context.time.size(1);
  const at::Tensor x_norm = LayerNorm(x, context.eps);  // [B, N, D]: for the router, and once for the kept rows

  const at::Tensor scores = RouterScores(*weights.router, x_norm, frames);            // [B, N]
  const at::Tensor kept = SelectTokens(scores, kept_rows, frames, rule.frame_floor);  // [B, k]
  const at::Tensor gate = GateFromScores(scores.gather(1, kept), rule.gate, x.scalar_type());
  const Rows rows = {GatherRotary(context.positions.chunk, kept), kept};

  const at::Tensor h = modulation.BeforeAttention(GatherRows(x_norm, kept), kept);  // [B, k, D]
  // kFull: keys of all N tokens from the stream as it entered the block; kKept: of the kept ones.
  const ChunkKeys keys = rule.kv_mode == KvMode::kFull ? MakeChunkKeys(weights, context, context.positions.chunk,
                                                                       modulation.BeforeAttention(x_norm, {}))
                                                       : MakeChunkKeys(weights, context, rows.rotary, h);
  const at::Tensor attended = SelfAttend(weights, context, rows, h, keys.turned);
  const at::Tensor y =
      AfterSelfAttention(weights, context, modulation, rows, GatherRows(x, kept), attended, gate);  // [B, k, D]

  const at::Tensor restored = x.scatter(1, kept.unsqueeze(-1).expand_as(y), y);
  return {restored, keys.cached, kept, scores};
}

}  // namespace videodiffcr
