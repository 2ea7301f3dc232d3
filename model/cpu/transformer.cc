#include "model/cpu/transformer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/types/span.h"
#include "model/config/noise.h"
#include "model/cpu/attention.h"
#include "model/cpu/key_scores.h"
#include "model/cpu/row_kernels.h"

namespace videodiffcr::cpu {
namespace {

int64_t PatchValues(const TransformerConfig& config) {
  return config.patch_height * config.patch_width * config.in_dim;
}

// Calls work(rows) for the row groups of this lane.
template <typename Work>
void ForOwnGroups(const TeamMember& member, int64_t rows, Work work) {
  for (int group = member.rank(); group < kRowGroups; group += member.size()) {
    const RowRange range = RowGroup(group, rows);
    if (range.rows() > 0) work(range);
  }
}

// Whether this block's keys have to be ranked for the cache.
bool RanksKeys(const PassRequest& request, int64_t layer) {
  return request.context_pass && PercentKept(request.cache_shares, layer) < kWholeCachePercent;
}

}  // namespace

PassScratch::Lane::Lane(const TransformerConfig& config, const RetentionConfig& retention)
    : chooser(config, retention), bypass(config.dim) {
  logits.resize(kAttentionRowBlock * std::max(config.window_tokens(), config.text_len));
}

PassScratch::PassScratch(const TransformerConfig& config, const RetentionConfig& retention) {
  const int64_t tokens = config.tokens_per_chunk();
  x.resize(tokens * config.dim);
  kept_x.resize(x.size());
  normed.resize(x.size());
  qkv.resize(3 * x.size());
  attended.resize(x.size());
  hidden.resize(tokens * config.ffn_dim);
  patches.resize(tokens * std::max(PatchValues(config), config.patch_height * config.patch_width * config.out_dim));
  for (int lane = 0; lane < kRowGroups; ++lane) lanes.emplace_back(config, retention);
}

CpuTransformer::CpuTransformer(const TransformerConfig& config, const RetentionConfig& retention,
                               PackedTransformer weights)
    : config_(config), retention_(retention), weights_(std::move(weights)) {}

TextKeys CpuTransformer::EncodeText(const float* rows, int64_t row_count) const {
  KeepMathOnThisThread();
  const int64_t dim = config_.dim, padding = config_.text_len - row_count;
  // One row of zeros stands for all padding rows: they become the same keys and values.
  const int64_t keys = row_count + (padding > 0 ? 1 : 0);
  FloatBuffer input(keys * config_.text_dim, 0.0f), hidden(keys * dim), context(keys * dim);
  std::copy_n(rows, row_count * config_.text_dim, input.data());
  Apply(weights_.text_in, input.data(), keys, hidden.data());
  BiasedGelu(weights_.text_in.bias.data(), keys, dim, hidden.data());
  Apply(weights_.text_out, hidden.data(), keys, context.data());
  AddBias(context.data(), dim, weights_.text_out.bias.data(), keys, dim, context.data(), dim);

  TextKeys text;
  text.rows = keys;
  text.last_row_bias = padding > 0 ? std::log(static_cast<float>(padding)) : 0.0f;
  for (const PackedBlock& block : weights_.blocks) {
    FloatBuffer key(keys * dim), value(keys * dim);
    Apply(block.cross_k, context.data(), keys, key.data());
    BiasedRmsNorm(key.data(), dim, block.cross_k.bias.data(), block.cross_norm_k.data(), keys, dim,
                  static_cast<float>(config_.eps), key.data(), dim);
    Apply(block.cross_v, context.data(), keys, value.data());
    AddBias(value.data(), dim, block.cross_v.bias.data(), keys, dim, value.data(), dim);
    text.keys.push_back(std::move(key));
    text.values.push_back(std::move(value));
  }
  return text;
}

void CpuTransformer::Pass(const PassRequest& request, PassScratch& scratch, TeamMember& member) const {
  const int64_t tokens = config_.tokens_per_chunk();
  ForOwnGroups(member, tokens, [&](RowRange rows) { EmbedPatches(request, scratch, rows); });
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    ShowStream(layer, request, scratch, member);
    const int tenths = request.rule.tenths == nullptr ? kDenseTenths : (*request.rule.tenths)[layer][request.timestep];
    if (tenths == kDenseTenths) {
      DenseBlock(layer, request, scratch, member);
    } else {
      RoutedBlock(layer, tenths, request, scratch, member);
    }
  }
  if (!request.context_pass) {
    ShowStream(config_.num_layers, request, scratch, member);
    ForOwnGroups(member, tokens, [&](RowRange rows) { Head(request, scratch, rows); });
  }
  member.Barrier();
}

// Each block has a barrier before it writes the stream, and a pass one at its end: until then rank 0 may look.
void CpuTransformer::ShowStream(int64_t layer, const PassRequest& request, const PassScratch& scratch,
                                TeamMember& member) const {
  if (!request.on_stream) return;
  member.Barrier();
  if (member.rank() == 0) request.on_stream(layer, scratch.x.data());
}

// Flattens the patches, channel slowest, then row, then column (causal_wan_dit.md section 3), and multiplies.
void CpuTransformer::EmbedPatches(const PassRequest& request, PassScratch& scratch, RowRange rows) const {
  const int64_t values = PatchValues(config_), height = config_.latent_height, width = config_.latent_width;
  for (int64_t token = rows.begin; token < rows.end; ++token) {
    const int64_t frame = token / config_.tokens_per_frame(), place = token % config_.tokens_per_frame();
    const int64_t y = place / config_.patch_columns() * config_.patch_height;
    const int64_t x = place % config_.patch_columns() * config_.patch_width;
    float* patch = scratch.patches.data() + token * values;
    for (int64_t channel = 0; channel < config_.in_dim; ++channel) {
      const float* plane = request.latents + (frame * config_.in_dim + channel) * height * width;
      for (int64_t py = 0; py < config_.patch_height; ++py) {
        for (int64_t px = 0; px < config_.patch_width; ++px) *patch++ = plane[(y + py) * width + x + px];
      }
    }
  }
  float* out = scratch.x.data() + rows.begin * config_.dim;
  Apply(weights_.patch_embedding, scratch.patches.data() + rows.begin * values, rows.rows(), out);
  AddBias(out, config_.dim, weights_.patch_embedding.bias.data(), rows.rows(), config_.dim, out, config_.dim);
}

// causal_wan_dit.md section 5, all rows.
void CpuTransformer::DenseBlock(int64_t layer, const PassRequest& request, PassScratch& scratch,
                                TeamMember& member) const {
  const RowSet all{scratch.x.data(), config_.tokens_per_chunk(), nullptr, nullptr};
  ForOwnGroups(member, all.rows, [&](RowRange rows) { KeysAndValues(layer, all, rows, true, request, scratch); });
  RankKeys(layer, all.rows, /*routed=*/false, request, scratch, member);
  // Of the last block the cache wants only keys and values.
  if (request.context_pass && layer + 1 == config_.num_layers) return;
  member.Barrier();
  ForOwnGroups(member, all.rows, [&](RowRange rows) {
    AfterKeys(layer, all, rows, all.rows, request, scratch, scratch.lanes[member.rank()]);
  });
}

// videodiffcr.md sections 2 to 4: the kept rows run the whole block, the others pass it by.
void CpuTransformer::RoutedBlock(int64_t layer, int tenths, const PassRequest& request, PassScratch& scratch,
                                 TeamMember& member) const {
  const int64_t tokens = config_.tokens_per_chunk(), dim = config_.dim;
  const int64_t count = KeptRows(tenths, tokens);
  PassScratch::Lane& lane = scratch.lanes[member.rank()];
  member.Barrier();
  // Every lane ranks for itself: at these sizes that costs less than another barrier.
  const auto began = std::chrono::steady_clock::now();
  lane.chooser.Score(*weights_.blocks[layer].router, scratch.x.data());
  lane.chooser.Choose(count);
  const std::vector<int32_t>& chosen = lane.chooser.kept();
  if (request.routing_seconds != nullptr && member.rank() == 0) {
    *request.routing_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  if (request.on_kept && member.rank() == 0) request.on_kept(layer, chosen);

  const bool full_keys = request.rule.kv_mode == KvMode::kFull;
  if (full_keys) {
    const RowSet all{scratch.x.data(), tokens, nullptr, nullptr};
    ForOwnGroups(member, tokens, [&](RowRange rows) { KeysAndValues(layer, all, rows, false, request, scratch); });
  }
  const bool keys_only = request.context_pass && layer + 1 == config_.num_layers && full_keys;
  if (keys_only && !RanksKeys(request, layer)) return;

  const RowSet kept{scratch.kept_x.data(), count, chosen.data(), lane.chooser.factor()};
  ForOwnGroups(member, count, [&](RowRange rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      std::copy_n(scratch.x.data() + chosen[row] * dim, dim, scratch.kept_x.data() + row * dim);
    }
    if (!full_keys) KeysAndValues(layer, kept, rows, true, request, scratch);
  });
  member.Barrier();
  if (full_keys) {
    ForOwnGroups(member, count, [&](RowRange rows) { QueriesOnly(layer, kept, rows, request, scratch); });
  }
  if (RanksKeys(request, layer)) {
    RankKeys(layer, count, /*routed=*/true, request, scratch, member);
    if (keys_only) return;
    member.Barrier();
  }
  ForOwnGroups(member, count, [&](RowRange rows) {
    AfterKeys(layer, kept, rows, full_keys ? tokens : count, request, scratch, lane);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      std::copy_n(scratch.kept_x.data() + row * dim, dim, scratch.x.data() + chosen[row] * dim);
    }
  });
  if (const std::optional<PackedBypass>& bypass = weights_.blocks[layer].bypass; bypass.has_value()) {
    ForOwnGroups(member, tokens, [&](RowRange rows) {
      lane.bypass.Add(*bypass, lane.chooser.normed().data(), rows, chosen, scratch.x.data());
    });
  }
  // The next block reads rows of the residual stream by token, and these were written by kept row.
  member.Barrier();
}

// Between the making of the keys and what changes the block's rows: all meet, one ranks, and all must meet again before
// they go on. `query_rows` of scratch.normed are the queries.
void CpuTransformer::RankKeys(int64_t layer, int64_t query_rows, bool routed, const PassRequest& request,
                              PassScratch& scratch, TeamMember& member) const {
  if (!RanksKeys(request, layer)) return;
  member.Barrier();
  if (layer % member.size() != member.rank()) return;
  TokenChooser& chooser = scratch.lanes[member.rank()].chooser;
  LayerCache& cache = request.cache->layer(layer);
  float* scores = cache.chunk_scores.data();
  switch (retention_.cache.score) {
    case CacheScore::kRouter:
      if (!routed) chooser.Score(*weights_.blocks[layer].router, scratch.x.data());  // else the block's own are there
      std::copy(chooser.scores().begin(), chooser.scores().end(), scores);
      break;
    case CacheScore::kSaliency:
      ScoreBySaliency(config_, scratch.normed.data(), query_rows, cache.chunk_keys.data(), scores);
      break;
    case CacheScore::kKeyNorm:
      ScoreByKeyNorm(config_, cache.chunk_keys.data(), scores);
      break;
    case CacheScore::kRandom:
      FillRandomScores(request.cache_seed, request.cache->frames_before(), layer,
                       absl::MakeSpan(scores, cache.chunk_scores.size()));
      break;
  }
}

// Steps 1 to 4 of causal_wan_dit.md section 5 for rows [begin, end) of the set, up to the cache. Queries are left in
// scratch.normed.
void CpuTransformer::KeysAndValues(int64_t layer, const RowSet& set, RowRange rows, bool with_queries,
                                   const PassRequest& request, PassScratch& scratch) const {
  const PackedBlock& block = weights_.blocks[layer];
  const ModulationVectors& modulation = weights_.modulation[request.timestep][layer];
  LayerCache& cache = request.cache->layer(layer);
  const int64_t dim = config_.dim, count = rows.rows(), first = with_queries ? 0 : dim, width = 3 * dim - first;
  const float eps = static_cast<float>(config_.eps);
  const int32_t* tokens = set.token_of_row == nullptr ? nullptr : set.token_of_row + rows.begin;
  const int64_t table = set.token_of_row == nullptr ? rows.begin * config_.head_dim() / 2 : 0;
  const float* cos = request.cache->rotary_cos() + table;
  const float* sin = request.cache->rotary_sin() + table;
  float* normed = scratch.normed.data() + rows.begin * dim;
  float* qkv = scratch.qkv.data() + rows.begin * 3 * dim;

  LayerNorm(set.x + rows.begin * dim, modulation.scale_attention(), modulation.shift_attention(), count, dim, eps,
            normed);
  MultiplyTransposed({normed, dim}, block.qkv.matrix_from(first), count, width, dim, false, {qkv, width});
  const float* key_in = qkv + dim - first;
  const float* key_bias = block.qkv.bias.data() + dim;
  float* keys = cache.chunk_keys.data() + rows.begin * dim;
  // The plain keys are what a window-relative cache keeps; only the context pass's keys are ever kept.
  const bool plain = request.context_pass && !cache.chunk_keys_plain.empty();
  float* before_rotation = plain ? cache.chunk_keys_plain.data() + rows.begin * dim : keys;
  BiasedRmsNorm(key_in, width, key_bias, block.norm_k.data(), count, dim, eps, before_rotation, dim);
  Rotate(before_rotation, cos, sin, tokens, count, config_.num_heads, config_.head_dim(), keys);
  AddBias(key_in + dim, width, key_bias + dim, count, dim, cache.chunk_values.data() + rows.begin * dim, dim);
  if (with_queries) {
    BiasedRmsNorm(qkv, width, block.qkv.bias.data(), block.norm_q.data(), count, dim, eps, normed, dim);
    Rotate(normed, cos, sin, tokens, count, config_.num_heads, config_.head_dim(), normed);
  }
}

// Queries of kept rows when keys and values of all rows were made before.
void CpuTransformer::QueriesOnly(int64_t layer, const RowSet& set, RowRange rows, const PassRequest& request,
                                 PassScratch& scratch) const {
  const PackedBlock& block = weights_.blocks[layer];
  const ModulationVectors& modulation = weights_.modulation[request.timestep][layer];
  const int64_t dim = config_.dim, count = rows.rows();
  const float eps = static_cast<float>(config_.eps);
  float* normed = scratch.normed.data() + rows.begin * dim;
  float* queries = scratch.qkv.data() + rows.begin * 3 * dim;
  LayerNorm(set.x + rows.begin * dim, modulation.scale_attention(), modulation.shift_attention(), count, dim, eps,
            normed);
  MultiplyTransposed({normed, dim}, block.qkv.matrix(), count, dim, dim, false, {queries, dim});
  BiasedRmsNorm(queries, dim, block.qkv.bias.data(), block.norm_q.data(), count, dim, eps, normed, dim);
  Rotate(normed, request.cache->rotary_cos(), request.cache->rotary_sin(), set.token_of_row + rows.begin, count,
         config_.num_heads, config_.head_dim(), normed);
}

// Steps 4 to 8 of causal_wan_dit.md section 5 for rows [begin, end): attention, text, feed-forward, each added to the
// residual stream.
void CpuTransformer::AfterKeys(int64_t layer, const RowSet& set, RowRange rows, int64_t chunk_keys,
                               const PassRequest& request, PassScratch& scratch, PassScratch::Lane& lane) const {
  const PackedBlock& block = weights_.blocks[layer];
  const ModulationVectors& modulation = weights_.modulation[request.timestep][layer];
  const LayerCache& cache = request.cache->layer(layer);
  const int64_t dim = config_.dim, count = rows.rows();
  const float eps = static_cast<float>(config_.eps);
  float* x = set.x + rows.begin * dim;
  float* normed = scratch.normed.data() + rows.begin * dim;
  float* attended = scratch.attended.data() + rows.begin * dim;
  float* projected = scratch.qkv.data() + rows.begin * 3 * dim;
  float* hidden = scratch.hidden.data() + rows.begin * config_.ffn_dim;
  const float* factor = set.gate_factor == nullptr ? nullptr : set.gate_factor + rows.begin;

  const KeyRun past{request.cache->attended_past_keys(layer), cache.past_values.data(), cache.past_rows()};
  const KeyRun chunk{cache.chunk_keys.data(), cache.chunk_values.data(), chunk_keys};
  Attend(normed, count, config_.num_heads, config_.head_dim(), past, chunk, 0.0f, lane.logits, attended);
  Apply(block.self_out, attended, count, projected);
  AddGated(projected, block.self_out.bias.data(), modulation.gate_attention(), nullptr, count, dim, x);

  LayerNorm(x, block.norm3_weight.data(), block.norm3_bias.data(), count, dim, eps, normed);
  Apply(block.cross_q, normed, count, projected);
  BiasedRmsNorm(projected, dim, block.cross_q.bias.data(), block.cross_norm_q.data(), count, dim, eps, normed, dim);
  const KeyRun text{request.text->keys[layer].data(), request.text->values[layer].data(), request.text->rows};
  Attend(normed, count, config_.num_heads, config_.head_dim(), {}, text, request.text->last_row_bias, lane.logits,
         attended);
  Apply(block.cross_out, attended, count, projected);
  AddGated(projected, block.cross_out.bias.data(), nullptr, nullptr, count, dim, x);

  LayerNorm(x, modulation.scale_ffn(), modulation.shift_ffn(), count, dim, eps, normed);
  Apply(block.ffn_in, normed, count, hidden);
  BiasedGelu(block.ffn_in.bias.data(), count, config_.ffn_dim, hidden);
  Apply(block.ffn_out, hidden, count, projected);
  AddGated(projected, block.ffn_out.bias.data(), modulation.gate_ffn(), factor, count, dim, x);
}

void CpuTransformer::Head(const PassRequest& request, PassScratch& scratch, RowRange rows) const {
  const int64_t dim = config_.dim, count = rows.rows();
  float* normed = scratch.normed.data() + rows.begin * dim;
  float* flow = scratch.patches.data() + rows.begin * weights_.head.out;
  LayerNorm(scratch.x.data() + rows.begin * dim, weights_.head_scale[request.timestep].data(),
            weights_.head_shift[request.timestep].data(), count, dim, static_cast<float>(config_.eps), normed);
  Apply(weights_.head, normed, count, flow);
  AddBias(flow, weights_.head.out, weights_.head.bias.data(), count, weights_.head.out, flow, weights_.head.out);
  request.on_flow(rows, flow);
}

}  // namespace videodiffcr::cpu
