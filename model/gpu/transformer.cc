#include "model/gpu/transformer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/config/retention_table.h"
#include "model/gpu/current_device.h"
#include "model/gpu/latent_shape.h"
#include "model/gpu/prompt_keys.h"
#include "model/kernels/chunk_latents.h"
#include "model/kernels/gelu_product.h"
#include "model/kernels/norm_rotary.h"

namespace videodiffcr::gpu {
namespace {

using kernels::Element;
using kernels::EvenRows;
using kernels::RowSet;

}  // namespace

int SessionsPerPass(const TransformerConfig& config) {
  return static_cast<int>(std::clamp<int64_t>(20000 / config.tokens_per_chunk(), 1, kernels::kMostSegments));
}

GpuTransformer::GpuTransformer(const TransformerConfig& config, const RetentionConfig& retention,
                               GpuTransformerWeights weights, Precision precision, Element key_element,
                               int most_sessions, int processors)
    : config_(config),
      cache_score_(retention.cache.score),
      weights_(std::move(weights)),
      precision_(precision),
      self_attention_(static_cast<int>(config.num_heads), static_cast<int>(config.head_dim()), processors),
      text_attention_(static_cast<int>(config.num_heads), static_cast<int>(config.head_dim()), processors),
      chooser_(config, retention, most_sessions),
      bypass_(config.tokens_per_chunk(), retention.bypass_rank, most_sessions),
      buffers_(ActivationSizesOf(config, precision, key_element, most_sessions)),
      stream_(buffers_, chooser_, precision, config.dim, static_cast<float>(config.eps)) {}

void GpuTransformer::EncodeText(const at::Tensor& hidden, int slot, SessionPool& pool) {
  EncodePromptKeys(config_, weights_, precision_, hidden, slot, pool);
}

void GpuTransformer::Pass(const std::vector<PassRequest>& requests, SessionPool& pool, const KeptObserver& on_kept,
                          const StreamObserver& on_stream) {
  Batch batch{requests, pool, on_kept, on_stream};
  const bool only_context =
      std::all_of(requests.begin(), requests.end(), [](const PassRequest& r) { return r.context_pass; });
  Embed(batch);
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    ShowStream(layer, batch);
    // Of the last block a context pass wants only the keys.
    Block(layer, batch, only_context && layer + 1 == config_.num_layers);
  }
  if (only_context) return;
  ShowStream(config_.num_layers, batch);
  Head(batch);
}

// The product that waits is added without the next norm, one crossing of memory more.
void GpuTransformer::ShowStream(int64_t layer, const Batch& batch) {
  if (!batch.on_stream) return;
  stream_.AddNow();
  const int64_t tokens = config_.tokens_per_chunk();
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    batch.on_stream(static_cast<int>(i), layer, buffers_.stream.narrow(0, static_cast<int64_t>(i) * tokens, tokens));
  }
}

RowSet GpuTransformer::AllRows(const Batch& batch) const {
  const int tokens = static_cast<int>(config_.tokens_per_chunk());
  return EvenRows(static_cast<int>(batch.requests.size()), tokens, tokens);
}

void GpuTransformer::Embed(Batch& batch) {
  const int64_t tokens = config_.tokens_per_chunk(), values = PatchValues(config_);
  const int64_t rows = tokens * static_cast<int64_t>(batch.requests.size());
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    kernels::PatchifyCall call;
    call.shape = LatentShapeOf(config_);
    call.latents = batch.pool.latents(batch.requests[i].slot).const_data_ptr<float>();
    call.patches = buffers_.patches.mutable_data_ptr<float>() + i * tokens * values;
    kernels::Patchify(call, CurrentStream());
  }
  Apply(weights_.patch_embedding, buffers_.patches.narrow(0, 0, rows), {}, buffers_.stream.narrow(0, 0, rows));
  stream_.Begin();
}

int GpuTransformer::TenthsOf(const PassRequest& request, int64_t layer) const {
  return request.rule.tenths == nullptr ? kDenseTenths : (*request.rule.tenths)[layer][request.timestep];
}

bool GpuTransformer::RanksKeys(const PassRequest& request, int64_t layer) const {
  return request.context_pass && cache_score_ == CacheScore::kRouter &&
         PercentKept(request.cache_shares, layer) < kWholeCachePercent;
}

void GpuTransformer::Block(int64_t layer, Batch& batch, bool keys_only) {
  RowFactors factor;
  const RowSet rows = Route(layer, batch, &factor), key_rows = KeyRows(rows, batch);
  KeysAndQueries(layer, rows, key_rows, keys_only, batch);
  if (keys_only) return;
  Bypass(layer, batch);
  SelfAttention(layer, rows, key_rows, batch);
  stream_.AddLater(rows, Modulation(batch, layer, Vector::kGateAttention), {});

  const GpuBlock& block = weights_.blocks[layer];
  RowFactors scale, shift;
  std::fill_n(scale.of, kernels::kMostSegments, block.norm3_weight.const_data_ptr<float>());
  std::fill_n(shift.of, kernels::kMostSegments, block.norm3_bias.const_data_ptr<float>());
  stream_.Norm(rows, scale, shift, block.cross_q.is_float8());
  TextAttention(layer, rows, batch);
  stream_.AddLater(rows, {}, {});

  FeedForward(layer, rows, batch);
  stream_.AddLater(rows, Modulation(batch, layer, Vector::kGateFfn), factor);
}

void GpuTransformer::FeedForward(int64_t layer, const RowSet& rows, const Batch& batch) {
  const GpuBlock& block = weights_.blocks[layer];
  const RowFactors scale = Modulation(batch, layer, Vector::kScaleFfn);
  const RowFactors shift = Modulation(batch, layer, Vector::kShiftFfn);
  const int64_t count = rows.rows();
  const at::Tensor hidden = buffers_.hidden.narrow(0, 0, count), projected = buffers_.projected.narrow(0, 0, count);
  if (!block.ffn_in.is_float8()) {
    stream_.Norm(rows, scale, shift, /*float8=*/false);
    ApplyGelu(block.ffn_in, buffers_.normed.narrow(0, 0, count), hidden);
    Apply(block.ffn_out, hidden, {}, projected);
    return;
  }
  stream_.NormBeforeProduct(rows, scale, shift, block.ffn_in_bound);
  kernels::GeluProductCall gelu;
  gelu.rows = static_cast<int>(count);
  gelu.in = static_cast<int>(config_.dim);
  gelu.out = static_cast<int>(config_.ffn_dim);
  gelu.x = buffers_.normed8.const_data_ptr();
  gelu.row_scale = buffers_.row_scale.const_data_ptr<float>();
  gelu.weight = block.ffn_in.weight.const_data_ptr();
  gelu.column_scale = block.ffn_in.weight_scale.const_data_ptr<float>();
  gelu.bias = block.ffn_in.bias.const_data_ptr();
  gelu.shrink = buffers_.hidden_shrink.const_data_ptr<float>();
  gelu.result = buffers_.hidden.mutable_data_ptr();
  TORCH_CHECK(kernels::GeluProduct(gelu, CurrentStream()), "the product with GELU refused ", gelu.in, " to ", gelu.out);
  Apply(block.ffn_out, hidden, buffers_.hidden_scale.narrow(0, 0, count), projected);
}

RowSet GpuTransformer::Route(int64_t layer, Batch& batch, RowFactors* factor) {
  const int64_t tokens = config_.tokens_per_chunk();
  RowSet rows = AllRows(batch);
  bool any = false;
  for (const PassRequest& request : batch.requests) {
    any |= TenthsOf(request, layer) != kDenseTenths || RanksKeys(request, layer);
  }
  if (!any) {
    // A product is added together with the next norm, unless that is of other rows.
    if (stream_.WaitsForKeptRows()) stream_.AddNow();
    return rows;
  }
  stream_.NormForRouters(AllRows(batch));
  for (int i = 0; i < rows.segments; ++i) {
    const PassRequest& request = batch.requests[i];
    const int tenths = TenthsOf(request, layer);
    const bool ranks = RanksKeys(request, layer);
    int count = static_cast<int>(tokens);
    if (tenths != kDenseTenths || ranks) {
      chooser_.Score(*weights_.blocks[layer].router, buffers_.normed.narrow(0, i * tokens, tokens));
    }
    if (ranks) chooser_.CopyScores(batch.pool.cache_scores(request.slot, layer));
    if (tenths != kDenseTenths) {
      count = static_cast<int>(KeptRows(tenths, tokens));
      const TokenChooser::Chosen chosen = chooser_.Choose(i, count);
      rows.kept[i] = chosen.kept.const_data_ptr<int32_t>();
      if (chosen.factor.defined()) factor->of[i] = chosen.factor.const_data_ptr<float>();
      if (batch.on_kept) batch.on_kept(i, layer, chosen.kept);
      if (const std::optional<GpuBypass>& bypass = weights_.blocks[layer].bypass; bypass.has_value()) {
        bypass_.See(*bypass, i, buffers_.normed.narrow(0, i * tokens, tokens));
      }
    }
    rows.first_row[i + 1] = rows.first_row[i] + count;
  }
  return rows;
}

void GpuTransformer::Bypass(int64_t layer, Batch& batch) {
  const std::optional<GpuBypass>& bypass = weights_.blocks[layer].bypass;
  if (!bypass.has_value()) return;
  const int64_t tokens = config_.tokens_per_chunk();
  for (int i = 0; i < static_cast<int>(batch.requests.size()); ++i) {
    if (TenthsOf(batch.requests[i], layer) == kDenseTenths) continue;
    bypass_.Add(*bypass, i, chooser_.places(i), buffers_.stream.narrow(0, i * tokens, tokens));
  }
}

void GpuTransformer::ApplyToNormed(const GpuLinear& linear, int64_t rows, at::Tensor out) {
  if (linear.is_float8()) {
    Apply(linear, buffers_.normed8.narrow(0, 0, rows), buffers_.row_scale.narrow(0, 0, rows), std::move(out));
  } else {
    Apply(linear, buffers_.normed.narrow(0, 0, rows), {}, std::move(out));
  }
}

RowSet GpuTransformer::KeyRows(const RowSet& rows, const Batch& batch) const {
  RowSet keys = rows;
  for (int i = 0; i < rows.segments; ++i) {
    if (batch.requests[i].rule.kv_mode == KvMode::kFull) keys.kept[i] = nullptr;
    const int count = keys.kept[i] == nullptr ? static_cast<int>(config_.tokens_per_chunk())
                                              : rows.first_row[i + 1] - rows.first_row[i];
    keys.first_row[i + 1] = keys.first_row[i] + count;
  }
  return keys;
}

void GpuTransformer::KeysAndQueries(int64_t layer, const RowSet& rows, const RowSet& key_rows, bool keys_only,
                                    Batch& batch) {
  const GpuBlock& block = weights_.blocks[layer];
  const int64_t dim = config_.dim, count = rows.rows(), key_count = key_rows.rows();
  const RowFactors scale = Modulation(batch, layer, Vector::kScaleAttention);
  const RowFactors shift = Modulation(batch, layer, Vector::kShiftAttention);
  if (key_count == count && !keys_only) {
    stream_.Norm(rows, scale, shift, block.qkv.is_float8());
    const at::Tensor product = buffers_.qkv.narrow(0, 0, count);
    ApplyToNormed(block.qkv, count, product);
    Turn(layer, rows, product, product.narrow(1, dim, 2 * dim), batch);
    return;
  }
  stream_.Norm(key_rows, scale, shift, block.qkv.is_float8());
  const at::Tensor keys = buffers_.qkv.flatten().narrow(0, 0, key_count * 2 * dim).view({key_count, 2 * dim});
  ApplyToNormed(OutputsOf(block.qkv, dim, 2 * dim), key_count, keys);
  Turn(layer, key_rows, {}, keys, batch);
  if (keys_only) return;
  stream_.Norm(rows, scale, shift, block.qkv.is_float8());
  const at::Tensor queries = buffers_.qkv.flatten().narrow(0, 0, count * dim).view({count, dim});
  ApplyToNormed(OutputsOf(block.qkv, 0, dim), count, queries);
  Turn(layer, rows, queries, {}, batch);
}

void GpuTransformer::Turn(int64_t layer, const RowSet& rows, const at::Tensor& queries, const at::Tensor& keys,
                          Batch& batch) {
  const GpuBlock& block = weights_.blocks[layer];
  SessionPool& pool = batch.pool;
  kernels::NormRotaryCall call;
  call.rows = rows;
  call.width = static_cast<int>(config_.dim);
  call.head_dim = static_cast<int>(config_.head_dim());
  call.eps = static_cast<float>(config_.eps);
  call.in_element = ActivationElement(precision_);
  call.out_element = pool.key_element();
  call.in_stride = (queries.defined() ? queries : keys).stride(0);
  call.query_weight = block.norm_q.const_data_ptr<float>();
  call.key_weight = block.norm_k.const_data_ptr<float>();
  if (queries.defined()) call.query_in = queries.const_data_ptr();
  call.query_out = buffers_.queries.mutable_data_ptr();
  if (keys.defined()) {
    call.key_in = keys.const_data_ptr();
    call.value_in = keys.narrow(1, config_.dim, config_.dim).const_data_ptr();
  }
  call.keys = pool.keys(layer).mutable_data_ptr();
  call.values = pool.values(layer).mutable_data_ptr();
  if (pool.relative()) call.plain_keys = pool.plain_keys(layer).mutable_data_ptr();
  for (int i = 0; i < rows.segments; ++i) {
    const int slot = batch.requests[i].slot;
    call.cos[i] = pool.rotary_cos(slot).const_data_ptr<float>();
    call.sin[i] = pool.rotary_sin(slot).const_data_ptr<float>();
    call.key_row[i] = pool.key_row(slot, layer) + pool.past_rows(slot, layer);
    call.plain_key_row[i] = pool.plain_chunk_row(slot, layer);
  }
  kernels::NormRotary(call, CurrentStream());
}

void GpuTransformer::SelfAttention(int64_t layer, const RowSet& rows, const RowSet& key_rows, Batch& batch) {
  AttentionRequest request;
  request.element = batch.pool.key_element();
  for (int i = 0; i < rows.segments; ++i) {
    const int slot = batch.requests[i].slot;
    const int64_t chunk_keys = key_rows.first_row[i + 1] - key_rows.first_row[i];
    request.segments.push_back({rows.first_row[i], rows.first_row[i + 1] - rows.first_row[i],
                                static_cast<int32_t>(batch.pool.key_row(slot, layer)),
                                static_cast<int32_t>(batch.pool.past_rows(slot, layer) + chunk_keys)});
  }
  request.queries = buffers_.queries.narrow(0, 0, rows.rows());
  request.keys = batch.pool.keys(layer);
  request.values = batch.pool.values(layer);
  request.out = buffers_.attended;
  request.log_sums = buffers_.log_sums;
  self_attention_.Run(request, CurrentStream());
  Apply(weights_.blocks[layer].self_out, buffers_.attended.narrow(0, 0, rows.rows()), {},
        buffers_.projected.narrow(0, 0, rows.rows()));
}

void GpuTransformer::TextAttention(int64_t layer, const RowSet& rows, Batch& batch) {
  const GpuBlock& block = weights_.blocks[layer];
  const int64_t count = rows.rows();
  const at::Tensor projected = buffers_.projected.narrow(0, 0, count);
  ApplyToNormed(block.cross_q, count, projected);
  kernels::NormRotaryCall norm;
  norm.rows = rows;
  norm.width = static_cast<int>(config_.dim);
  norm.head_dim = static_cast<int>(config_.head_dim());
  norm.eps = static_cast<float>(config_.eps);
  norm.in_element = norm.out_element = ActivationElement(precision_);
  norm.in_stride = config_.dim;
  norm.query_in = projected.const_data_ptr();
  norm.query_weight = block.cross_norm_q.const_data_ptr<float>();
  norm.query_out = buffers_.text_queries.mutable_data_ptr();
  kernels::NormRotary(norm, CurrentStream());

  AttentionRequest request;
  request.element = ActivationElement(precision_);
  for (int i = 0; i < rows.segments; ++i) {
    const int slot = batch.requests[i].slot;
    request.segments.push_back({rows.first_row[i], rows.first_row[i + 1] - rows.first_row[i],
                                static_cast<int32_t>(slot * config_.text_len), batch.pool.state(slot).text_rows});
  }
  request.queries = buffers_.text_queries.narrow(0, 0, count);
  request.keys = batch.pool.text_keys(layer);
  request.values = batch.pool.text_values(layer);
  request.out = buffers_.attended;
  request.log_sums = buffers_.log_sums;
  request.last_key_bias = batch.pool.text_bias();
  request.keys_per_bias = static_cast<int>(config_.text_len);
  text_attention_.Run(request, CurrentStream());
  Apply(block.cross_out, buffers_.attended.narrow(0, 0, count), {}, projected);
}

void GpuTransformer::Head(Batch& batch) {
  const RowSet rows = AllRows(batch);
  RowFactors scale, shift;
  for (int i = 0; i < rows.segments; ++i) {
    scale.of[i] = weights_.head_scale[batch.requests[i].timestep].const_data_ptr<float>();
    shift.of[i] = weights_.head_shift[batch.requests[i].timestep].const_data_ptr<float>();
  }
  stream_.NormForHead(rows, scale, shift);
  Apply(weights_.head, buffers_.head_normed.narrow(0, 0, rows.rows()), {}, buffers_.flow.narrow(0, 0, rows.rows()));
}

at::Tensor GpuTransformer::flow(int request) const {
  return buffers_.flow.narrow(0, request * config_.tokens_per_chunk(), config_.tokens_per_chunk());
}

RowFactors GpuTransformer::Modulation(const Batch& batch, int64_t layer, Vector which) const {
  const int64_t dim = config_.dim, vectors = 6 * dim;
  const float* tables = weights_.modulation.const_data_ptr<float>();
  RowFactors vector;
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    const int64_t block = batch.requests[i].timestep * config_.num_layers + layer;
    vector.of[i] = tables + block * vectors + static_cast<int>(which) * dim;
  }
  return vector;
}

}  // namespace videodiffcr::gpu
