#include "model/cpu/session_cache.h"

#include <algorithm>
#include <cmath>

#include "model/cpu/row_kernels.h"

namespace videodiffcr::cpu {
namespace {

// Pairs of a head that turn with the frame, the row and the column (causal_wan_dit.md section 6).
struct RotarySplit {
  explicit RotarySplit(int64_t head_dim)
      : row(head_dim / 6), column(head_dim / 6), frame(head_dim / 2 - 2 * (head_dim / 6)) {}
  int64_t row, column, frame;
};

// Angles of `pairs` pairs at `position`: position * 10000^(-i / pairs), in double as the reference has them.
void FillAngles(int64_t pairs, int64_t position, float* cos, float* sin) {
  for (int64_t i = 0; i < pairs; ++i) {
    const double angle =
        static_cast<double>(position) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pairs));
    cos[i] = static_cast<float>(std::cos(angle));
    sin[i] = static_cast<float>(std::sin(angle));
  }
}

// The table of one latent frame at `frame_position`, [tokens_per_frame, pairs]. Rows and columns always start at 0, so
// their part, `spatial` [tokens_per_frame, row + column pairs], is made once.
void FillFrameTable(const TransformerConfig& config, int64_t frame_position, const FloatBuffer& spatial_cos,
                    const FloatBuffer& spatial_sin, float* cos, float* sin) {
  const RotarySplit split(config.head_dim());
  const int64_t spatial = split.row + split.column, pairs = split.frame + spatial;
  FloatBuffer frame_cos(split.frame), frame_sin(split.frame);
  FillAngles(split.frame, frame_position, frame_cos.data(), frame_sin.data());
  for (int64_t token = 0; token < config.tokens_per_frame(); ++token) {
    std::copy_n(frame_cos.data(), split.frame, cos + token * pairs);
    std::copy_n(frame_sin.data(), split.frame, sin + token * pairs);
    std::copy_n(spatial_cos.data() + token * spatial, spatial, cos + token * pairs + split.frame);
    std::copy_n(spatial_sin.data() + token * spatial, spatial, sin + token * pairs + split.frame);
  }
}

int MostPercent(const RetentionConfig& retention, int64_t layer) {
  return MostPercentKept(retention.cache, BudgetsOf(retention), layer);
}

}  // namespace

SessionCache::SessionCache(const TransformerConfig& config, const RetentionConfig& retention)
    : config_(config), window_(MakePastWindow(config)), lists_(config) {
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    layers_.emplace_back(config, MostPercent(retention, layer), !retention.cache.whole());
  }
  const RotarySplit split(config.head_dim());
  const int64_t pairs = config.head_dim() / 2, spatial = split.row + split.column;
  spatial_cos_.resize(config.tokens_per_frame() * spatial);
  spatial_sin_.resize(spatial_cos_.size());
  for (int64_t token = 0; token < config.tokens_per_frame(); ++token) {
    float* cos = spatial_cos_.data() + token * spatial;
    float* sin = spatial_sin_.data() + token * spatial;
    FillAngles(split.row, token / config.patch_columns(), cos, sin);
    FillAngles(split.column, token % config.patch_columns(), cos + split.row, sin + split.row);
  }
  rotary_cos_.resize(config.tokens_per_chunk() * pairs);
  rotary_sin_.resize(config.tokens_per_chunk() * pairs);
  if (relative()) {
    past_cos_.resize(window_.capacity_frames * config.tokens_per_frame() * pairs);
    past_sin_.resize(past_cos_.size());
  }
}

int64_t SessionCache::Bytes(const TransformerConfig& config, const RetentionConfig& retention) {
  const bool relative = config.rope_positions == RopePositions::kWindowRelative;
  const int64_t past = config.window_tokens() - config.tokens_per_chunk(), chunk = config.tokens_per_chunk();
  int64_t layers = 0;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    layers += LayerCache::Bytes(config, MostPercent(retention, layer), !retention.cache.whole());
  }
  const int64_t rotary = (chunk + (relative ? past : 0)) * config.head_dim();
  const int64_t spatial = config.tokens_per_frame() * 4 * (config.head_dim() / 6);
  return layers + (rotary + spatial) * static_cast<int64_t>(sizeof(float));
}

void SessionCache::Reset() {
  for (LayerCache& layer : layers_) layer.past_places.clear();
  frames_committed_ = 0;
  chunk_complete_ = false;
}

int64_t SessionCache::BeginChunk() {
  const int64_t evicted = chunk_complete_ ? CommitChunk() : 0;
  chunk_complete_ = false;

  const int64_t first = relative() ? window_.visible(frames_committed_) : frames_committed_;
  for (int64_t f = 0; f < config_.chunk_frames; ++f) FillRotaryTable(first + f, f);
  if (relative()) {
    const int64_t frame_values = config_.tokens_per_frame() * config_.head_dim() / 2;
    for (int64_t frame = 0; frame < frames_committed_; ++frame) {
      if (!window_.is_visible(frame, frames_committed_)) {
        frame = window_.oldest_in_ring(frames_committed_) - 1;  // nothing between the sink and the ring
        continue;
      }
      const int64_t slot = window_.slot(frame);
      FillFrameTable(config_, window_.window_position(frame, frames_committed_), spatial_cos_, spatial_sin_,
                     past_cos_.data() + slot * frame_values, past_sin_.data() + slot * frame_values);
    }
  }
  return evicted;
}

void SessionCache::FillRotaryTable(int64_t frame_position, int64_t frame_in_chunk) {
  const int64_t frame_values = config_.tokens_per_frame() * config_.head_dim() / 2;
  FillFrameTable(config_, frame_position, spatial_cos_, spatial_sin_,
                 rotary_cos_.data() + frame_in_chunk * frame_values,
                 rotary_sin_.data() + frame_in_chunk * frame_values);
}

int64_t SessionCache::CommitChunk() {
  int64_t left = 0;
  for (LayerCache& layer : layers_) left += cpu::CommitChunk(config_, frames_committed_, lists_, layer);
  frames_committed_ += config_.chunk_frames;
  return left / config_.num_layers;
}

void SessionCache::MarkChunkComplete(const CacheShares* shares) {
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].chunk_percent = PercentKept(shares, static_cast<int64_t>(layer));
  }
  chunk_complete_ = true;
}

int64_t SessionCache::past_rows() const {
  int64_t rows = 0;
  for (const LayerCache& layer : layers_) rows += layer.past_rows();
  return rows;
}

int64_t SessionCache::whole_past_rows() const {
  return config_.num_layers * window_.visible(frames_committed_) * config_.tokens_per_frame();
}

void SessionCache::RotatePast(int64_t index) {
  if (!relative()) return;
  LayerCache& layer = layers_[index];
  Rotate(layer.past_keys.data(), past_cos_.data(), past_sin_.data(), layer.past_places.data(), layer.past_rows(),
         config_.num_heads, config_.head_dim(), layer.past_keys_rotated.data());
}

const float* SessionCache::attended_past_keys(int64_t layer) const {
  return relative() ? layers_[layer].past_keys_rotated.data() : layers_[layer].past_keys.data();
}

FloatBuffer SessionCache::InOrder(const LayerCache& layer, const FloatBuffer& past, const FloatBuffer& chunk) const {
  const int64_t in_frame = config_.tokens_per_frame();
  FloatBuffer out;
  for (int64_t frame = 0; frame < frames_committed_; ++frame) {
    if (!window_.is_visible(frame, frames_committed_)) continue;
    const int64_t first = window_.slot(frame) * in_frame;
    for (int64_t place = first; place < first + in_frame; ++place) {
      const auto found = std::find(layer.past_places.begin(), layer.past_places.end(), place);
      if (found == layer.past_places.end()) continue;
      const float* from = past.data() + (found - layer.past_places.begin()) * config_.dim;
      out.insert(out.end(), from, from + config_.dim);
    }
  }
  if (chunk_complete_) out.insert(out.end(), chunk.begin(), chunk.end());
  return out;
}

FloatBuffer SessionCache::KeysInOrder(int64_t index) const {
  const LayerCache& layer = layers_[index];
  return InOrder(layer, layer.past_keys, relative() ? layer.chunk_keys_plain : layer.chunk_keys);
}

FloatBuffer SessionCache::ValuesInOrder(int64_t index) const {
  const LayerCache& layer = layers_[index];
  return InOrder(layer, layer.past_values, layer.chunk_values);
}

}  // namespace videodiffcr::cpu
