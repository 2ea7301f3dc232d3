#include "model/plain/transformer/block.h"

#include <ATen/TensorOperators.h>

#include "model/plain/transformer/layers.h"
#include "model/plain/transformer/light_bypass.h"
#include "model/plain/transformer/router.h"
#include "model/plain/transformer/selection.h"
#include "model/plain/transformer/teacher_forcing_attention.h"

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

// One vector per frame, [B, F, D], shaped to meet rows: those of the kept tokens, or those of all N.
class PerFrame {
 public:
  PerFrame(int64_t frames, int64_t tokens, const at::Tensor& kept) : frames_(frames), kept_(kept) {
    if (kept.defined()) frame_of_row_ = kept.floor_divide(tokens / frames);
  }

  // x * scale + shift.
  at::Tensor ScaleAndShift(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) const {
    return Flat(Split(x) * Meet(scale) + Meet(shift));
  }
  at::Tensor Scale(const at::Tensor& x, const at::Tensor& scale) const { return Flat(Split(x) * Meet(scale)); }

 private:
  // All tokens: frames get an axis of their own, so that nothing is copied.
  at::Tensor Split(const at::Tensor& x) const { return kept_.defined() ? x : x.unflatten(1, {frames_, -1}); }
  at::Tensor Flat(const at::Tensor& x) const { return kept_.defined() ? x : x.flatten(1, 2); }
  at::Tensor Meet(const at::Tensor& per_frame) const {
    return kept_.defined() ? GatherRows(per_frame, frame_of_row_) : per_frame.unsqueeze(2);
  }

  const int64_t frames_;
  const at::Tensor kept_;
  at::Tensor frame_of_row_;
};

// The six vectors m_j of every frame, causal_wan_dit.md section 5: modulation[0, j] + e0[b, f, j].
struct Modulation {
  at::Tensor shift_sa, scale_sa, gate_sa, shift_ffn, scale_ffn, gate_ffn;  // [B, F, D]; the scales plus 1
  int64_t tokens;                                                          // N

  Modulation(const at::Tensor& modulation, const at::Tensor& time, int64_t tokens) : tokens(tokens) {
    const at::Tensor m = modulation.unsqueeze(1) + time;  // [B, F, 6, D]
    at::Tensor* const roles[] = {&shift_sa, &scale_sa, &gate_sa, &shift_ffn, &scale_ffn, &gate_ffn};
    for (int64_t j = 0; j < 6; ++j) *roles[j] = m.select(2, j);
    scale_sa = 1 + scale_sa;
    scale_ffn = 1 + scale_ffn;
  }

  PerFrame For(const at::Tensor& kept) const { return {shift_sa.size(1), tokens, kept}; }

  // x (1 + scale) + shift, x [B, L, D].
  at::Tensor BeforeAttention(const at::Tensor& x, const at::Tensor& kept) const {
    return For(kept).ScaleAndShift(x, scale_sa, shift_sa);
  }
  at::Tensor BeforeFeedForward(const at::Tensor& x, const at::Tensor& kept) const {
    return For(kept).ScaleAndShift(x, scale_ffn, shift_ffn);
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
  const at::Tensor x1 = x + modulation.For(rows.kept).Scale(Linear(attended, weights.self_attn.o), modulation.gate_sa);

  const at::Tensor c = AffineLayerNorm(x1, weights.norm3_weight, weights.norm3_bias, context.eps);
  const at::Tensor text = Attend(Queries(weights.cross_attn, c, context.num_heads, context.eps), context.text);
  const at::Tensor x2 = x1 + Linear(text, weights.cross_attn.o);

  const at::Tensor y = modulation.BeforeFeedForward(LayerNorm(x2, context.eps), rows.kept);
  const at::Tensor fed = modulation.For(rows.kept).Scale(Linear(GeluTanh(Linear(y, weights.ffn_in)), weights.ffn_out),
                                                         modulation.gate_ffn);
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

RankedTokens RankTokens(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                        const at::Tensor& x) {
  const at::Tensor x_norm = LayerNorm(x, context.eps);
  return {x_norm,
          rule.scorer ? rule.scorer(weights, context, x) : RouterScores(*weights.router, x_norm, context.time.size(1))};
}

at::Tensor ChooseTokens(const RankedTokens& ranked, const RoutingRule& rule, int64_t kept_rows, int64_t frames) {
  return rule.selector ? rule.selector(ranked.scores, kept_rows)
                       : SelectTokens(ranked.scores, kept_rows, frames, rule.frame_floor);
}

BlockOutput RunKeptTokens(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                          const RankedTokens& ranked, const at::Tensor& kept, const at::Tensor& x) {
  const Modulation modulation(weights.modulation, context.time, x.size(1));
  const at::Tensor gate = GateFromScores(ranked.scores.gather(1, kept), rule.gate, x.scalar_type());
  const Rows rows = {GatherRotary(context.positions.chunk, kept), kept};

  const at::Tensor h = modulation.BeforeAttention(GatherRows(ranked.x_norm, kept), kept);  // [B, k, D]
  // kFull: keys of all N tokens from the stream as it entered the block; kKept: of the kept ones.
  const ChunkKeys keys = rule.kv_mode == KvMode::kFull ? MakeChunkKeys(weights, context, context.positions.chunk,
                                                                       modulation.BeforeAttention(ranked.x_norm, {}))
                                                       : MakeChunkKeys(weights, context, rows.rotary, h);
  const at::Tensor attended = SelfAttend(weights, context, rows, h, keys.turned);
  const at::Tensor y =
      AfterSelfAttention(weights, context, modulation, rows, GatherRows(x, kept), attended, gate);  // [B, k, D]

  const at::Tensor bypassed = weights.bypass ? x + LightBypass(*weights.bypass, ranked.x_norm) : x;
  const at::Tensor restored = bypassed.scatter(1, kept.unsqueeze(-1).expand_as(y), y);
  return {restored, keys.cached, kept, ranked.scores};
}

BlockOutput RoutedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                        int64_t kept_rows, const at::Tensor& x) {
  const RankedTokens ranked = RankTokens(weights, context, rule, x);
  const at::Tensor kept = ChooseTokens(ranked, rule, kept_rows, context.time.size(1));
  return RunKeptTokens(weights, context, rule, ranked, kept, x);
}

at::Tensor TeacherForcingBlock(const BlockWeights& weights, const BlockContext& context, int64_t chunks,
                               const at::Tensor& x) {
  const Modulation modulation(weights.modulation, context.time, x.size(1));
  const RotaryTable& rotary = context.positions.chunk;
  const auto by_chunk = [&](const at::Tensor& rows) { return rows.unflatten(0, {2 * chunks - 1, -1}); };
  const at::Tensor h = modulation.BeforeAttention(LayerNorm(x, context.eps), {});
  const at::Tensor q = Queries(weights.self_attn, h, context.num_heads, context.eps);
  const KeysValues keys = MakeKeysValues(weights.self_attn, h, context.num_heads, context.eps);
  const at::Tensor attended = AttendWithTeacherForcing(
      ApplyRotary(by_chunk(q), rotary), {ApplyRotary(by_chunk(keys.k), rotary), by_chunk(keys.v)}, chunks);
  return AfterSelfAttention(weights, context, modulation, {rotary, {}}, x, attended, {});
}

}  // namespace videodiffcr
